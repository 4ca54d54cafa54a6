import { spawn } from 'node:child_process';
import { MlistError } from '../../errors.ts';

/**
 * Programs that keep credentials: `docker-credential-NAME get|store|erase`, the registry's key on stdin, JSON on stdout
 * (docker-credential-helpers, README "Development"). A helper that is asked for and missing is an error.
 */
const NOT_FOUND = 'credentials not found in native keychain';
const TIME_LIMIT_MS = 30_000;
const MAX_OUTPUT = 1024 * 1024;

/** What a helper keeps; the username `<token>` marks a secret that is a refresh token. */
export interface Kept {
  readonly username: string;
  readonly secret: string;
}

/** What is kept for a key; undefined where the helper has nothing. */
export async function askHelper(name: string, key: string): Promise<Kept | undefined> {
  const { code, stdout } = await runHelper(name, 'get', key);
  if (code !== 0 && stdout.trim() === NOT_FOUND) return undefined;
  if (code !== 0) throw failed(name, `it ended with exit code ${String(code)}`);
  const { Username: username, Secret: secret } = parse(name, stdout);
  return secret === '' || username === '' ? undefined : { username, secret };
}

function parse(name: string, stdout: string): { readonly Username: string; readonly Secret: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw failed(name, 'its answer is no JSON');
  }
  const { Username, Secret } = (answer ?? {}) as { readonly Username?: unknown; readonly Secret?: unknown };
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw failed(name, 'its answer has no Username and Secret');
  return { Username, Secret };
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
}

/** Runs a helper without a shell. What it says on stdout may be a secret, and is never shown. */
export function runHelper(name: string, action: 'get' | 'store' | 'erase', input: string): Promise<Outcome> {
  const program = `docker-credential-${name}`;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [action], {
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
      timeout: TIME_LIMIT_MS,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.on('error', (cause) => {
      reject(failed(name, 'it cannot be started: is it installed, and on PATH?', cause));
    });
    child.on('close', (code, signal) => {
      if (signal !== null) reject(failed(name, `it was stopped by ${signal}: too slow, or too much output`));
      else resolve({ code, stdout: Buffer.concat(chunks).toString('utf8') });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

function failed(name: string, reason: string, cause?: unknown): MlistError {
  return new MlistError('ERR_MLIST_CREDENTIALS', `the credential helper docker-credential-${name} failed: ${reason}`, {
    cause,
    hint: 'See credsStore and credHelpers in the Docker configuration.',
  });
}

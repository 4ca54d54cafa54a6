import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { MlistError } from '../../errors.ts';
import type { Credentials } from './credentials.ts';
import type { Environment } from './environment.ts';

/**
 * Programs that keep credentials: `docker-credential-NAME get|store|erase`, the registry's key on stdin, JSON on stdout
 * (docker-credential-helpers, README "Development"). A helper that is asked for and missing is an error.
 */
export interface Helper {
  /** Suffix of the program's name. */
  readonly name: string;
  /** The program's environment; it is looked for on the PATH in it. */
  readonly env: Environment;
}

const NOT_FOUND = 'credentials not found in native keychain';
const TIME_LIMIT_MS = 30_000;
const MAX_OUTPUT = 1024 * 1024;

/** The stored credentials for a key; undefined where the helper has none. */
export async function askHelper(helper: Helper, key: string): Promise<Credentials | undefined> {
  const { code, stdout } = await run(helper, 'get', key);
  if (code !== 0 && stdout.trim() === NOT_FOUND) return undefined;
  if (code !== 0) throw failed(helper, `it ended with exit code ${String(code)}`);
  const { Username: username, Secret: secret } = parse(helper, stdout);
  if (secret === '' || username === '') return undefined;
  return username === '<token>' ? { type: 'identity', token: secret } : { type: 'basic', username, password: secret };
}

/** @throws MlistError `ERR_MLIST_CREDENTIALS` where the helper does not take them */
export async function tellHelper(helper: Helper, key: string, username: string, secret: string): Promise<void> {
  const { code } = await run(helper, 'store', JSON.stringify({ ServerURL: key, Username: username, Secret: secret }));
  if (code !== 0) throw failed(helper, `it ended with exit code ${String(code)}`);
}

/** Takes away what the helper has for a key; says whether there was anything. */
export async function clearHelper(helper: Helper, key: string): Promise<boolean> {
  if ((await askHelper(helper, key)) === undefined) return false;
  const { code } = await run(helper, 'erase', key);
  if (code !== 0) throw failed(helper, `it ended with exit code ${String(code)}`);
  return true;
}

/** The helper of the system's own keychain, where it is installed; Docker uses it where its configuration is silent. */
export function defaultHelper(env: Environment, platform: NodeJS.Platform): Helper | undefined {
  const name = keychains[platform] ?? (isOnPath('pass', env) ? 'pass' : 'secretservice');
  return isOnPath(`docker-credential-${name}`, env) ? { name, env } : undefined;
}

const keychains: Partial<Record<NodeJS.Platform, string>> = { darwin: 'osxkeychain', win32: 'wincred' };

function isOnPath(program: string, env: Environment): boolean {
  const names = process.platform === 'win32' ? [`${program}.exe`] : [program];
  const folders = (env['PATH'] ?? env['Path'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => names.some((name) => isExecutable(join(folder, name))));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function parse(helper: Helper, stdout: string): { readonly Username: string; readonly Secret: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw failed(helper, 'its answer is no JSON');
  }
  const { Username, Secret } = (answer ?? {}) as { readonly Username?: unknown; readonly Secret?: unknown };
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw failed(helper, 'its answer has no Username and Secret');
  return { Username, Secret };
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
}

/** Runs a helper without a shell. What it says on stdout may be a secret, and is never shown. */
async function run(helper: Helper, action: 'get' | 'store' | 'erase', input: string): Promise<Outcome> {
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${helper.name}`, [action], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: helper.env,
      windowsHide: true,
    });
    // Node's own limit would keep the process alive where the helper could not be started.
    const timer = setTimeout(() => child.kill(), TIME_LIMIT_MS);
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(failed(helper, 'it cannot be started: is it installed, and on PATH?', cause));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal !== null) reject(failed(helper, `it was stopped by ${signal}: too slow, or too much output`));
      else resolve({ code, stdout: Buffer.concat(chunks).toString('utf8') });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

function failed({ name }: Helper, reason: string, cause?: unknown): MlistError {
  return new MlistError('ERR_MLIST_CREDENTIALS', `the credential helper docker-credential-${name} failed: ${reason}`, {
    cause,
    hint: 'See credsStore and credHelpers in the Docker configuration.',
  });
}

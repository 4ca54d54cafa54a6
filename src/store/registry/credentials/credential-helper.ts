import type { ChildProcessByStdio } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { MlistError } from '../../../errors/errors.ts';
import { Limiter } from '../../../async/limiter.ts';
import type { Credentials } from './credentials.ts';
import type { Environment } from './environment.ts';

/**
 * Programs that keep credentials: `docker-credential-NAME get|store|erase`, the registry's key on stdin, JSON on stdout
 * (docker-credential-helpers, README "Development"). A helper that is asked for and missing is an error.
 */
export interface CredentialHelper {
  /** Suffix of the program's name. */
  readonly name: string;
  /** The program's environment; it is looked for on the PATH in it. */
  readonly env: Environment;
  /** Stops it. */
  readonly signal?: AbortSignal | undefined;
}

export interface HelperOptions extends Omit<CredentialHelper, 'name'> {
  readonly platform: NodeJS.Platform;
}

/** Helpers that run at once: there is one for each registry that is asked. */
const helpers = new Limiter(8);

const NOT_FOUND = 'credentials not found in native keychain';
const TIME_LIMIT_S = 30;
const MAX_OUTPUT = 1024 * 1024;

/** The stored credentials for a key; undefined where the helper has none. */
export async function readFromHelper(helper: CredentialHelper, key: string): Promise<Credentials | undefined> {
  const { code, stdout } = await helpers.run(() => run(helper, 'get', key));
  if (code !== 0 && stdout.trim() === NOT_FOUND) return undefined;
  if (code !== 0) throw failed(helper, `it ended with exit code ${String(code)}`);
  const { Username: username, Secret: secret } = parse(helper, stdout);
  if (secret === '' || username === '') return undefined;
  return username === '<token>' ? { type: 'identity', token: secret } : { type: 'basic', username, password: secret };
}

/** @throws MlistError `ERR_MLIST_CREDENTIALS` where the helper does not take them */
export async function storeInHelper(
  helper: CredentialHelper,
  key: string,
  username: string,
  secret: string,
): Promise<void> {
  const { code } = await run(helper, 'store', JSON.stringify({ ServerURL: key, Username: username, Secret: secret }));
  if (code !== 0) throw failed(helper, `it ended with exit code ${String(code)}`);
}

/** Takes away what the helper has for a key; says whether there was anything. */
export async function eraseFromHelper(helper: CredentialHelper, key: string): Promise<boolean> {
  if ((await readFromHelper(helper, key)) === undefined) return false;
  const { code } = await run(helper, 'erase', key);
  if (code !== 0) throw failed(helper, `it ended with exit code ${String(code)}`);
  return true;
}

export function helperOf(name: string, { env, signal }: HelperOptions): CredentialHelper {
  return { name, env, signal };
}

/** The helper of the system's own keychain, where it is installed; Docker uses it where its configuration is silent. */
export function defaultHelper(options: HelperOptions): CredentialHelper | undefined {
  const { env, platform } = options;
  const name = keychains[platform] ?? (isOnPath('pass', env) ? 'pass' : 'secretservice');
  return isOnPath(`docker-credential-${name}`, env) ? helperOf(name, options) : undefined;
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

function parse(helper: CredentialHelper, stdout: string): { readonly Username: string; readonly Secret: string } {
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

type Child = ChildProcessByStdio<Writable, Readable, null>;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
}

/**
 * Runs a helper without a shell. What it says on stdout may be a secret, and is never shown.
 * @throws the abort's reason, where the helper's signal stops it
 */
async function run(helper: CredentialHelper, action: 'get' | 'store' | 'erase', input: string): Promise<Outcome> {
  const { name, env, signal } = helper;
  const { spawn } = await import('node:child_process');
  signal?.throwIfAborted();
  const child = spawn(`docker-credential-${name}`, [action], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env,
    windowsHide: true,
  });
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  // Node's own limit would keep the process alive where the helper could not be started.
  const tooSlow = () => stop.abort(failed(helper, `it gave no answer within ${TIME_LIMIT_S} s`));
  const timer = setTimeout(tooSlow, TIME_LIMIT_S * 1000);
  try {
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return await outcomeOf(child, helper, stop);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** What becomes of a helper; nobody waits for one that is stopped, or for programs that it has started. */
function outcomeOf(child: Child, helper: CredentialHelper, stop: AbortController): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) stop.abort(failed(helper, 'its answer is too long'));
      else chunks.push(chunk);
    });
    child.on('error', (cause) => {
      reject(failed(helper, 'it cannot be started: is it installed, and on PATH?', cause));
    });
    child.on('close', (code, signal) => {
      if (signal !== null) reject(failed(helper, `it was stopped by ${signal}`));
      else resolve({ code, stdout: Buffer.concat(chunks).toString('utf8') });
    });
    stop.signal.addEventListener('abort', () => {
      reject(stop.signal.reason as Error);
      child.kill();
      child.stdin.destroy();
      child.stdout.destroy();
      child.unref();
    });
  });
}

function failed({ name }: CredentialHelper, reason: string, cause?: unknown): MlistError {
  return new MlistError('ERR_MLIST_CREDENTIALS', `the credential helper docker-credential-${name} failed: ${reason}`, {
    cause,
    hint: 'See credsStore and credHelpers in the Docker configuration.',
  });
}

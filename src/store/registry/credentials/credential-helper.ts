import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { MlistError } from '../../../errors/errors.ts';
import { Limiter } from '../../../async/limiter.ts';
import type { Credentials } from './credentials.ts';
import type { Environment } from '../../environment.ts';
import { findProgram, startableProgram } from '../../program-path.ts';

/**
 * A program that stores credentials: `docker-credential-NAME get|store|erase` (docker-credential-helpers, README
 * "Development"). `get` and `erase` read the key of the registry from stdin, and `store` reads JSON. `get` writes JSON
 * to stdout. A configured helper that is not installed is an error.
 */
export interface CredentialHelper {
  /** NAME in the name of the program, `docker-credential-NAME`. */
  readonly name: string;
  /** The environment of the program. Its PATH is searched for the program. */
  readonly env: Environment;
  /** Aborting it kills the running program. */
  readonly signal?: AbortSignal | undefined;
}

export interface HelperOptions extends Omit<CredentialHelper, 'name'> {
  readonly platform: NodeJS.Platform;
}

/** Limits concurrent reads from helpers, since a command may run a helper for each registry. */
const helpers = new Limiter(8);

const NOT_FOUND = 'credentials not found in native keychain';
const NOT_STARTED = 'it could not be started; check that it is installed and on PATH';
const TIME_LIMIT_S = 30;
const MAX_OUTPUT = 1024 * 1024;

export function programOf({ name }: Pick<CredentialHelper, 'name'>): string {
  return `docker-credential-${name}`;
}

/**
 * Returns the stored credentials for a key; undefined if the helper has none.
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if the helper fails
 */
export async function readFromHelper(helper: CredentialHelper, key: string): Promise<Credentials | undefined> {
  const { code, stdout } = await helpers.run(() => run(helper, 'get', key));
  if (code !== 0 && stdout.trim() === NOT_FOUND) return undefined;
  if (code !== 0) throw failed(helper, `it exited with code ${String(code)}`);
  const { Username: username, Secret: secret } = parse(helper, stdout);
  if (secret === '' || username === '') return undefined;
  return username === '<token>' ? { type: 'identity', token: secret } : { type: 'basic', username, password: secret };
}

/**
 * Stores credentials in a helper.
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if the helper fails
 */
export async function storeInHelper(
  helper: CredentialHelper,
  key: string,
  username: string,
  secret: string,
): Promise<void> {
  const { code } = await run(helper, 'store', JSON.stringify({ ServerURL: key, Username: username, Secret: secret }));
  if (code !== 0) throw failed(helper, `it exited with code ${String(code)}`);
}

/**
 * Removes the credentials for a key.
 * @returns whether the helper had credentials for the key
 */
export async function eraseFromHelper(helper: CredentialHelper, key: string): Promise<boolean> {
  if ((await readFromHelper(helper, key)) === undefined) return false;
  const { code } = await run(helper, 'erase', key);
  if (code !== 0) throw failed(helper, `it exited with code ${String(code)}`);
  return true;
}

export function helperOf(name: string, { env, signal }: HelperOptions): CredentialHelper {
  return { name, env, signal };
}

/**
 * Returns the helper for the system keychain; undefined if it is not installed. Docker uses this helper if its
 * configuration file has neither credentials nor helpers.
 */
export function defaultHelper(options: HelperOptions): CredentialHelper | undefined {
  const { env, platform } = options;
  const name = keychains[platform] ?? (findProgram('pass', env) === undefined ? 'secretservice' : 'pass');
  return findProgram(programOf({ name }), env) === undefined ? undefined : helperOf(name, options);
}

const keychains: Partial<Record<NodeJS.Platform, string>> = { darwin: 'osxkeychain', win32: 'wincred' };

function parse(helper: CredentialHelper, stdout: string): { readonly Username: string; readonly Secret: string } {
  let output: unknown;
  try {
    output = JSON.parse(stdout);
  } catch {
    throw failed(helper, 'its output is not JSON');
  }
  const { Username, Secret } = (output ?? {}) as { readonly Username?: unknown; readonly Secret?: unknown };
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw failed(helper, 'Username or Secret is missing from its output');
  return { Username, Secret };
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

interface HelperResult {
  readonly code: number | null;
  readonly stdout: string;
}

/**
 * Runs a helper without a shell. Its output may be secret, so no message quotes it.
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if it cannot be started, is killed, writes too much or exceeds the time
 * limit; the reason of the signal if it is aborted
 */
async function run(helper: CredentialHelper, action: 'get' | 'store' | 'erase', input: string): Promise<HelperResult> {
  const { env, signal } = helper;
  const { spawn } = await import('node:child_process');
  signal?.throwIfAborted();
  const program = startableProgram(programOf(helper), env);
  if (program === undefined) throw failed(helper, NOT_STARTED);
  const child = spawn(program, [action], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env,
    windowsHide: true,
  });
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  // The timeout option of spawn would keep this process alive if the helper could not be started.
  const onTimeout = () => stop.abort(failed(helper, `it did not respond within ${TIME_LIMIT_S} s`));
  const timer = setTimeout(onTimeout, TIME_LIMIT_S * 1000);
  try {
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return await resultOf(child, helper, stop);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * Waits until a helper has exited and its output is closed. If the helper was stopped, rejects at once, because its
 * child processes may keep the output open.
 */
function resultOf(child: Child, helper: CredentialHelper, stop: AbortController): Promise<HelperResult> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) stop.abort(failed(helper, `its output is larger than ${MAX_OUTPUT} bytes`));
      else chunks.push(chunk);
    });
    child.on('error', (cause) => {
      reject(failed(helper, NOT_STARTED, cause));
    });
    child.on('close', (code, signal) => {
      if (signal !== null) reject(failed(helper, `it was killed by ${signal}`));
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

function failed(helper: CredentialHelper, reason: string, cause?: unknown): MlistError {
  return new MlistError('ERR_MLIST_CREDENTIALS', `the credential helper ${programOf(helper)} failed: ${reason}`, {
    cause,
    hint: 'Check credsStore and credHelpers in the credentials file, such as ~/.docker/config.json.',
  });
}

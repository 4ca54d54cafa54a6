import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inOrder } from './manifest-order.ts';

/** Runs the built program as a separate process. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url));

/** A single executable that the tests run instead of the built program, from `MLIST_TEST_EXECUTABLE`. */
export const executable: string | undefined = process.env['MLIST_TEST_EXECUTABLE'];

/** The command that starts the program, without its arguments. */
export const programCommand = (root: string = checkout): readonly [string, ...string[]] =>
  executable === undefined ? [process.execPath, join(root, 'dist', 'cli', 'mlist.js')] : [executable];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  /** The checkout that contains the built program. Default: this one. */
  readonly root?: string;
  /** A file descriptor for the output. Default: a pipe that is read to its end. */
  readonly stdout?: number | 'pipe';
  readonly stderr?: number | 'pipe';
}

export function startMlist(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  options: StartOptions = {},
): Started {
  const { root = checkout } = options;
  return start([...programCommand(root), ...args], env, options);
}

/** Runs the built program under another one, such as strace or a shell that sets limits. */
export function runMlistBy(
  runner: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return start([...runner, ...programCommand(), ...args], env).ended;
}

function start(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  { stdout: out = 'pipe', stderr: err = 'pipe' }: StartOptions = {},
): Started {
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], NO_COLOR: '1', NODE_DISABLE_COMPILE_CACHE: '1', MLIST_NO_MIRRORS: '1', ...env },
    stdio: ['ignore', out, err],
  });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const closed = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
  const ended = inOrder(() => closed);
  return { child, ended };
}

export async function runMlist(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  options: StartOptions = {},
): Promise<Ended> {
  return startMlist(args, env, options).ended;
}

/** Waits until a condition is true or the program has ended. */
export async function until(holds: () => boolean, ended: Promise<Ended>): Promise<void> {
  const over = ended.then(() => true);
  while (!holds()) if (await Promise.race([over, sleep(20, false)])) return;
}

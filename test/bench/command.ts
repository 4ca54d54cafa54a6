import { spawn } from 'node:child_process';

/** Runs a program to its end, with its own home folder. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Called with the process when it has started. */
  readonly onStart?: ((pid: number) => void) | undefined;
}

/** @returns the duration in milliseconds */
export async function run({ program, args, env, onStart }: Command): Promise<number> {
  const started = performance.now();
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, MLIST_NO_MIRRORS: '1', ...env },
  });
  if (child.pid !== undefined) onStart?.(child.pid);
  const output: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === 0) return performance.now() - started;
  const last = Buffer.concat(output).toString().trim().split('\n').at(-1) ?? '';
  throw new Error(`${program} ${args[0] ?? ''} ended with ${String(code)}: ${last.slice(0, 200)}`);
}

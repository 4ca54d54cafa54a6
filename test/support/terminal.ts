import { join } from 'node:path';
import { describe } from '@jest/globals';
import { programCommand } from './mlist.ts';
import { describeWith } from './programs.ts';
import { spawnOnTerminal } from './pseudo-terminal.ts';

/** Runs the built program on a pseudo-terminal with simulated input. */
export interface Typed {
  /** Output to wait for before the input is sent. */
  readonly after: string;
  readonly keys: string;
}

/** Tests that need a terminal. They are skipped on Windows and without Python. */
export function describeOnTerminal(title: string, tests: () => void): void {
  if (process.platform === 'win32') describe.skip(title, tests);
  else describeWith('python3', title, tests);
}

export async function runOnTerminal(
  args: readonly string[],
  typed: readonly Typed[],
  folder: string,
  columns?: number,
): Promise<{ readonly code: number | null; readonly shown: string }> {
  const child = spawnOnTerminal([...programCommand(), ...args], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      DOCKER_CONFIG: join(folder, '.docker'),
      NO_COLOR: '1',
      NODE_DISABLE_COMPILE_CACHE: '1',
      MLIST_NO_MIRRORS: '1',
    },
    columns,
  });
  const left = [...typed];
  let [shown, from] = ['', 0];
  child.stdout?.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    const [next] = left;
    if (next === undefined || !shown.slice(from).includes(next.after)) return;
    from = shown.length;
    left.shift();
    child.stdin?.write(next.keys);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, shown };
}

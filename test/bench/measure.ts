import { spawn } from 'node:child_process';

/** Runs a process. @returns its duration in milliseconds */
export async function timeOf(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, MLIST_NO_MIRRORS: '1', ...env } });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${String(code)}`);
  return performance.now() - started;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Runs all functions in each round. The first round is a warm-up and is not counted. */
export async function inTurn<K extends string>(
  rounds: number,
  work: Readonly<Record<K, () => Promise<number>>>,
): Promise<Record<K, readonly number[]>> {
  const names = Object.keys(work) as K[];
  const durations = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      const value = await work[name]();
      if (round > 0) durations[name].push(value);
    }
  }
  return durations;
}

/** Rotates the list by the round, so that the after-effects of one tool do not always affect the same other tool. */
export function turned<T>(things: readonly T[], round: number): readonly T[] {
  const first = round % things.length;
  return [...things.slice(first), ...things.slice(0, first)];
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

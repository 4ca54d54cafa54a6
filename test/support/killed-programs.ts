import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isSampled } from './long.ts';
import { checkout, startMlist, type Ended } from './mlist.ts';

/**
 * Environment variables that kill the built program at a step. `kill-at-step.js` defines a step.
 * @param step - from 1; 0 does not kill the program
 */
export function killedAt(step: number, root: string = checkout): Readonly<Record<string, string>> {
  const preload = pathToFileURL(join(root, 'test/support/kill-at-step.js')).href;
  return { NODE_OPTIONS: `--import ${preload}`, MLIST_TEST_KILL_AT: String(step) };
}

/** The number of steps of a run with `killedAt`; undefined if it was killed. */
export function stepsOf({ stderr }: Pick<Ended, 'stderr'>): number | undefined {
  const steps = /^steps: (\d+)$/m.exec(stderr)?.[1];
  return steps === undefined ? undefined : Number(steps);
}

/** Runs the built program and kills it at the step. */
export async function killAtStep(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  step: number,
): Promise<void> {
  const result = await startMlist(args, { ...env, ...killedAt(step) }).ended;
  const steps = stepsOf(result);
  // The order of concurrent requests, and thus the number of steps, may differ slightly between runs.
  const isEnded = result.code === 0 && steps !== undefined && steps < step;
  if (steps !== undefined && !isEnded)
    throw new Error(`not killed at step ${step}, but ended: ${JSON.stringify(result)}`);
}

/**
 * The steps at which to kill a command: all of them in the long version, otherwise an evenly distributed sample and the
 * last steps, at which a command publishes its result.
 */
export async function momentsOf(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<readonly number[]> {
  const result = await startMlist(args, { ...env, ...killedAt(0) }).ended;
  const steps = stepsOf(result) ?? 0;
  if (result.code !== 0 || steps === 0) throw new Error(`mlist ${args.join(' ')} failed: ${JSON.stringify(result)}`);
  const all = Array.from({ length: steps }, (_, at) => at + 1);
  return all.filter((step) => isSampled(step, Math.ceil(steps / 2)) || step > steps - 2);
}

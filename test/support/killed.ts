import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isSampled } from './long.ts';
import { checkout, startMlist, type Ended } from './mlist.ts';

/**
 * What has the built program kill itself at one of its steps: `kill-at-step.js` says what a step is.
 * @param step - from 1; 0: it runs to its end
 */
export function killedAt(step: number, root: string = checkout): Readonly<Record<string, string>> {
  const preload = pathToFileURL(join(root, 'test/support/kill-at-step.js')).href;
  return { NODE_OPTIONS: `--import ${preload}`, MLIST_TEST_KILL_AT: String(step) };
}

/** All steps of a run with `killedAt`; undefined where it was killed. */
export function stepsOf({ stderr }: Pick<Ended, 'stderr'>): number | undefined {
  const steps = /^steps: (\d+)$/m.exec(stderr)?.[1];
  return steps === undefined ? undefined : Number(steps);
}

/** Runs the built program until it is killed at the step. */
export async function killAtStep(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  step: number,
): Promise<void> {
  const ran = await startMlist(args, { ...env, ...killedAt(step) }).ended;
  const steps = stepsOf(ran);
  // Where requests run beside each other, their order and thereby the number of steps may differ a little between runs.
  const isEnded = ran.code === 0 && steps !== undefined && steps < step;
  if (steps !== undefined && !isEnded) throw new Error(`not killed at step ${step}, but ended: ${JSON.stringify(ran)}`);
}

/**
 * The steps at which a command is killed: all of them in the long version, otherwise some that are evenly spread, and the
 * last ones, where a command publishes its result.
 */
export async function momentsOf(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<readonly number[]> {
  const ran = await startMlist(args, { ...env, ...killedAt(0) }).ended;
  const steps = stepsOf(ran) ?? 0;
  if (ran.code !== 0 || steps === 0) throw new Error(`mlist ${args.join(' ')} failed: ${JSON.stringify(ran)}`);
  const all = Array.from({ length: steps }, (_, at) => at + 1);
  return all.filter((step) => isSampled(step - 1, Math.ceil(steps / 5)) || step > steps - 3);
}

import type { TargetOutcome } from '../errors/errors.ts';

/** The outcome of each target so far, by reference. The error of an interrupted command contains it. */
export type TargetLog = Map<string, TargetOutcome>;

export function logTarget(log: TargetLog | undefined, target: TargetOutcome): void {
  log?.set(target.reference, target);
}

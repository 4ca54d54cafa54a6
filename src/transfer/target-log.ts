import type { TargetOutcome } from '../errors/errors.ts';

/** The outcomes of the targets so far, keyed by reference. The error of an interrupted command contains them. */
export type TargetLog = Map<string, TargetOutcome>;

export function logTarget(log: TargetLog | undefined, target: TargetOutcome): void {
  log?.set(target.reference, target);
}

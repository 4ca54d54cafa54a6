import type { TargetOutcome } from '../errors/errors.ts';

/** What has become of each target so far, by its reference: kept while a command works, for the report of an interruption. */
export type TargetLog = Map<string, TargetOutcome>;

export function logTarget(log: TargetLog | undefined, target: TargetOutcome): void {
  log?.set(target.reference, target);
}

import { errorMessage, MlistError, type ErrorFacts, type TargetOutcome } from '../../errors/errors.ts';
import type { TargetLog } from '../../transfer/target-log.ts';

/** Maximum number of targets that the message lists for each outcome. The facts of the error contain all targets. */
const MOST_NAMED = 5;

interface Interruptible {
  readonly targets?: TargetLog | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs work that publishes. If it is interrupted, the error reports the outcome of each target.
 * @param hint - the next step. Ignored if all targets are `not-pushed`, or if the abort reason has a hint or remedy
 */
export async function withInterruptionReport<T, O extends Interruptible>(
  options: O,
  work: (options: O & { readonly targets: TargetLog }) => Promise<T>,
  hint?: string,
): Promise<T> {
  const { signal, targets = new Map<string, TargetOutcome>() } = options;
  try {
    return await work({ ...options, targets });
  } catch (thrown) {
    throw signal?.aborted === true ? interruption(signal.reason, [...targets.values()], hint) : thrown;
  }
}

/**
 * Returns the error of an operation that was interrupted while it published.
 * @param reason - the reason of the abort signal: an interrupt, a timeout, or a value from the caller of the library
 */
export function interruption(reason: unknown, targets: readonly TargetOutcome[], hint?: string): MlistError {
  const isOwn = reason instanceof MlistError;
  const facts: ErrorFacts = isOwn ? reason.facts : { cause: reason };
  const unknown = targets.find(({ status }) => status === 'unknown');
  const next = unknown && `Check the current digest of ${unknown.reference}, or run the same command again.`;
  return new MlistError(
    isOwn ? reason.code : 'ERR_MLIST_INTERRUPTED',
    `${reasonText(reason)}; ${outcomeText(targets)}`,
    {
      ...facts,
      hint: facts.hint ?? (facts.remedy !== undefined || isUntouched(targets) ? undefined : (hint ?? next)),
      targets,
    },
  );
}

/** Returns the reason as text: for a process signal only "interrupted", because the outcomes of the targets follow. */
function reasonText(reason: unknown): string {
  if (!(reason instanceof MlistError)) return `interrupted: ${errorMessage(reason)}`;
  const isSignal = reason.code === 'ERR_MLIST_INTERRUPTED' || reason.code === 'ERR_MLIST_TERMINATED';
  return isSignal ? 'interrupted' : reason.message;
}

function isUntouched(targets: readonly TargetOutcome[]): boolean {
  return targets.every(({ status }) => status === 'not-pushed');
}

/** Lists the targets by outcome, in one line. */
export function outcomeText(targets: readonly TargetOutcome[]): string {
  if (isUntouched(targets)) return 'no tag was changed';
  const parts = [
    named('pushed', targets, 'pushed'),
    named('unchanged', targets, 'unchanged'),
    named('may have been pushed', targets, 'unknown'),
    named('not pushed', targets, 'not-pushed'),
  ];
  return parts.filter((part) => part !== '').join('; ');
}

function named(words: string, targets: readonly TargetOutcome[], status: TargetOutcome['status']): string {
  const names = targets
    .filter((target) => target.status === status)
    .map(({ reference, digest }) =>
      digest === undefined || reference.endsWith(digest) ? reference : `${reference}@${digest}`,
    );
  if (names.length === 0) return '';
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return `${words}: ${names.slice(0, MOST_NAMED).join(', ')}${more}`;
}

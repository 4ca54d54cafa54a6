import { asMlistError, SeveralErrors, type MlistError } from '../errors/errors.ts';

export interface Settled<T> {
  /** Results of the work that succeeded, in the order of the work. */
  readonly values: readonly T[];
  /** Errors of the work that failed, in the order of the work. */
  readonly failures: readonly MlistError[];
}

/** Waits until all work has succeeded or failed. Never rejects. */
export async function settle<T>(work: Iterable<Promise<T>>): Promise<Settled<T>> {
  const results = await Promise.allSettled(work);
  return {
    values: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    failures: results.flatMap((result) => (result.status === 'rejected' ? [asMlistError(result.reason)] : [])),
  };
}

/**
 * Waits until all work has ended. Unlike with `Promise.all`, no work is still running after a failure.
 * @returns the results, in the order of the work
 * @throws MlistError with all failures; the reason of the signal if it is aborted
 */
export async function allOrErrors<T>(
  work: readonly Promise<T>[],
  signal: AbortSignal | undefined,
): Promise<readonly T[]> {
  const { values, failures } = await settle(work);
  signal?.throwIfAborted();
  SeveralErrors.throwAny(failures);
  return values;
}

import { asMlistError, SeveralErrors, type MlistError } from '../errors.ts';

export interface Settled<T> {
  /** Of the work that succeeded, in its order. */
  readonly values: readonly T[];
  /** Of the work that failed, in its order. */
  readonly failures: readonly MlistError[];
}

/** Waits until all work has ended, whether it succeeds or fails. */
export async function settle<T>(work: Iterable<Promise<T>>): Promise<Settled<T>> {
  const results = await Promise.allSettled(work);
  return {
    values: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    failures: results.flatMap((result) => (result.status === 'rejected' ? [asMlistError(result.reason)] : [])),
  };
}

/**
 * Waits until all work has ended. Unlike `Promise.all`, it leaves nothing running behind a failure.
 * @returns the results, in the order of the work
 * @throws MlistError for all failures; the reason of the signal if it is aborted
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

import { asMlistError, SeveralErrors, type MlistError } from '../errors/errors.ts';

export interface Settled<T> {
  /** The results of the promises that were fulfilled, in input order. */
  readonly values: readonly T[];
  /** The errors of the promises that were rejected, in input order. */
  readonly failures: readonly MlistError[];
}

/** Waits until all promises have settled. Never rejects. */
export async function settle<T>(work: Iterable<Promise<T>>): Promise<Settled<T>> {
  const results = await Promise.allSettled(work);
  return {
    values: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    failures: results.flatMap((result) => (result.status === 'rejected' ? [asMlistError(result.reason)] : [])),
  };
}

/**
 * Waits until all promises have settled. Unlike with `Promise.all`, no work is still running after a failure.
 * @returns the results, in input order
 * @throws the signal's abort reason if it is aborted, otherwise an MlistError that combines all failures
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

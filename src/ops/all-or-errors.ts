import { asMlistError, SeveralErrors } from '../errors.ts';

/** The results of work that is under way, in its order; where any of it fails, what failed is reported together. */
export async function allOrErrors<T>(
  work: readonly Promise<T>[],
  signal: AbortSignal | undefined,
): Promise<readonly T[]> {
  const results = await Promise.allSettled(work);
  signal?.throwIfAborted();
  const [first, ...more] = results.flatMap((result) =>
    result.status === 'rejected' ? [asMlistError(result.reason)] : [],
  );
  if (first !== undefined) throw SeveralErrors.of([first, ...more]);
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

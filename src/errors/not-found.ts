import { errorCode } from './errors.ts';

/** Returns the result of a lookup, or undefined if it fails with `ERR_MLIST_NOT_FOUND`. Throws all other errors. */
export async function ignoreNotFound<T>(lookup: Promise<T>): Promise<T | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (errorCode(error) === 'ERR_MLIST_NOT_FOUND') return undefined;
    throw error;
  }
}

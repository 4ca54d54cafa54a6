import { errorCode } from './errors.ts';

/** Resolves to undefined instead of failing with `ERR_MLIST_NOT_FOUND`. */
export async function ignoreNotFound<T>(lookup: Promise<T>): Promise<T | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (errorCode(error) === 'ERR_MLIST_NOT_FOUND') return undefined;
    throw error;
  }
}

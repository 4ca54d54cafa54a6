import { errorCode } from './errors.ts';

/** What is looked for; undefined where it is not there. */
export async function ignoreNotFound<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (errorCode(error) === 'ERR_MLIST_NOT_FOUND') return undefined;
    throw error;
  }
}

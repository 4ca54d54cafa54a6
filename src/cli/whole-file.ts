import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readFailure } from '../index.ts';

/**
 * Reads a file that was named on the command line.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_FILE`
 */
export async function readWhole(path: string, cwd: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(cwd, path));
  } catch (error) {
    throw readFailure(path, error);
  }
}

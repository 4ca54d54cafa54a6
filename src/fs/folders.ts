import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../errors/errors.ts';
import { writeFailure } from './file-errors.ts';

/**
 * Creates a folder and its parents. Does not use Node's recursive `mkdir`, which never ends if the system reports
 * ENOENT although the parent exists, as in /proc.
 * @throws MlistError `ERR_MLIST_FILE` if a folder cannot be created
 */
export async function createFolders(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  const failure = await createFolder(path, options);
  if (failure === undefined) return;
  const parent = dirname(path);
  if (errorCode(failure) !== 'ENOENT' || parent === path) throw writeFailure(path, failure);
  if (!(await isFolder(parent))) await createFolders(parent, options);
  const again = await createFolder(path, options);
  if (again !== undefined) throw writeFailure(path, again);
}

/**
 * Creates a folder, but not its parents.
 * @returns the error if the folder cannot be created; undefined if it was created or already exists
 */
async function createFolder(path: string, options: { readonly mode?: number }): Promise<unknown> {
  try {
    await mkdir(path, options);
    return undefined;
  } catch (thrown) {
    return (await isFolder(path)) ? undefined : thrown;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

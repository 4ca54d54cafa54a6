import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../errors/errors.ts';
import { writeFailure } from './file-errors.ts';

/**
 * Makes a folder, and those above it. Node's own recursive way never ends where a system says that there is no such
 * file although the folder above is there, as /proc does.
 * @throws MlistError `ERR_MLIST_FILE` that names the folder that cannot be made, and says why
 */
export async function makeFolders(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  const failure = await failureOf(path, options);
  if (failure === undefined) return;
  const above = dirname(path);
  if (errorCode(failure) !== 'ENOENT' || above === path) throw writeFailure(path, failure);
  if (!(await isFolder(above))) await makeFolders(above, options);
  const again = await failureOf(path, options);
  if (again !== undefined) throw writeFailure(path, again);
}

/** Why a folder is not there; undefined where it is now, whoever has made it. */
async function failureOf(path: string, options: { readonly mode?: number }): Promise<unknown> {
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

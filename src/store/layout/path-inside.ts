import { realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { asMlistError, MlistError } from '../../errors/errors.ts';
import { isNotFound } from '../../fs/file-errors.ts';
import { isInside } from '../../fs/is-inside.ts';

/**
 * Returns the real path of a file or folder in a layout, with all links resolved, or undefined if it does not exist.
 * Layouts are untrusted input, so paths that lead outside the layout through a link are refused.
 * @param name - name of the layout in errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the real path is outside the layout
 */
export async function realPathInside(root: string, path: string, name: string): Promise<string | undefined> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw asMlistError(error);
  }
  if (isInside(root, real)) return real;
  const link = join(name, relative(root, path));
  throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${link} resolves to a path outside the layout`, { path });
}

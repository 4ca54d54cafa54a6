import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { asMlistError, errorCode, MlistError } from '../../errors/errors.ts';

/**
 * The real path of a file or folder of the layout, with every link resolved; undefined where there is none.
 * A layout may come from a stranger: a link that leads out of it is not followed.
 * @param name what errors call the layout
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` for such a link.
 */
export async function realPathInside(root: string, path: string, name = root): Promise<string | undefined> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw asMlistError(error);
  }
  const way = relative(root, real);
  if (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)) return real;
  const link = join(name, relative(root, path));
  throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${link} is a link that leads out of the layout`, { path });
}

/** Nothing is there, or something on the way to it is no folder. */
export function isNotFound(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');
}

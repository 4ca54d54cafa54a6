import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { errorCode, MlistError } from '../errors/errors.ts';
import { readReason } from './file-errors.ts';

/** Maximum number of links that are followed. Linux has the same limit (ELOOP). */
const MAX_LINKS = 40;

/**
 * Resolves the symbolic links of a path. The last component of the path need not exist. Call this before replacing a
 * file by a rename, because a rename would replace a link instead of its target.
 * @throws MlistError `ERR_MLIST_FILE` if the folder of the file cannot be opened, or the links form a loop
 */
export async function resolveLinks(path: string): Promise<string> {
  let place = resolve(path);
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const parent = dirname(place);
    const folder = await realpath(parent).catch((cause: unknown) => {
      const isMissing = errorCode(cause) === 'ENOENT';
      const message = isMissing ? `there is no folder ${parent}` : `cannot open ${parent}: ${readReason(cause)}`;
      throw new MlistError('ERR_MLIST_FILE', message, { path, cause });
    });
    place = resolve(folder, basename(place));
    const info = await lstat(place).catch(() => undefined);
    if (info?.isSymbolicLink() !== true) return place;
    place = resolve(folder, await readlink(place));
  }
  throw new MlistError('ERR_MLIST_FILE', `cannot write ${path}: its symbolic links form a loop`, { path });
}

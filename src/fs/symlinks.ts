import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { MlistError } from '../errors/errors.ts';

/** Maximum number of links that are followed. Linux has the same limit (ELOOP). */
const MAX_LINKS = 40;

/**
 * Resolves the symbolic links of a path, whose last component need not exist. Needed before a file is replaced by a
 * rename, which would replace a link and not its target.
 * @throws MlistError `ERR_MLIST_FILE` if a folder of the path is missing, or the links form a loop
 */
export async function resolveLinks(path: string): Promise<string> {
  let place = resolve(path);
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const parent = dirname(place);
    const folder = await realpath(parent).catch((cause: unknown) => {
      throw new MlistError('ERR_MLIST_FILE', `there is no folder ${parent}`, { path, cause });
    });
    place = resolve(folder, basename(place));
    const info = await lstat(place).catch(() => undefined);
    if (info?.isSymbolicLink() !== true) return place;
    place = resolve(folder, await readlink(place));
  }
  throw new MlistError('ERR_MLIST_FILE', `cannot write ${path}: its symbolic links form a loop`, { path });
}

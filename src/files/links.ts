import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { MlistError } from '../errors.ts';

/** As many links as Linux follows before it calls them a loop. */
const MOST_LINKS = 40;

/**
 * Where the links of a path lead, also where nothing is there yet: what is written whole takes the place of a file, and
 * must not take that of a link to it.
 * @throws MlistError `ERR_MLIST_FILE` where a folder on the way is missing, or the links lead in a circle
 */
export async function placeBehindLinks(path: string): Promise<string> {
  let place = resolve(path);
  for (let links = 0; links < MOST_LINKS; links += 1) {
    const above = dirname(place);
    const folder = await realpath(above).catch((cause: unknown) => {
      throw new MlistError('ERR_MLIST_FILE', `there is no folder ${above}`, { path, cause });
    });
    place = resolve(folder, basename(place));
    const info = await lstat(place).catch(() => undefined);
    if (info?.isSymbolicLink() !== true) return place;
    place = resolve(folder, await readlink(place));
  }
  throw new MlistError('ERR_MLIST_FILE', `cannot write ${path}: its symbolic links form a loop`, { path });
}

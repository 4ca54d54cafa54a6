import { isAbsolute, relative, resolve, sep } from 'node:path';
import { MlistError } from '../errors.ts';
import type { Location } from '../oci/location.ts';

/**
 * Paths of locations. In a draft they begin at the folder that the workspace lies in, so that a project can be moved and
 * its drafts be used from every folder of it; people type and see them from where they are.
 */
export interface Folders {
  /** Where the command runs. */
  readonly cwd: string;
  /** The folder that the workspace lies in. */
  readonly root: string;
}

/**
 * A typed location as drafts keep it. An absolute path stays one, unless it leads into the workspace's own folder.
 * @throws MlistError `ERR_MLIST_USAGE` where the path could not be told from a reference behind it
 */
export function storedLocation<T extends Location>(location: T, { cwd, root }: Folders): T {
  if (location.kind === 'registry') return location;
  const absolute = resolve(cwd, location.path);
  const way = relative(root, absolute);
  const isElsewhere = isAbsolute(way) || (isAbsolute(location.path) && leadsOut(way));
  const path = slashed(isElsewhere ? absolute : way === '' ? '.' : way);
  if (!path.includes(':', /^[A-Za-z]:\//.test(path) ? 2 : 0)) return { ...location, path };
  throw new MlistError('ERR_MLIST_USAGE', `the path ${path} holds a ":", behind which a reference would begin`, {
    path: absolute,
    hint: 'Rename the folder, or move what it holds.',
  });
}

/** A stored location as people see it from where they are. A way over more than two folders up is told from the top. */
export function shownLocation<T extends Location>(location: T, { cwd, root }: Folders): T {
  if (location.kind === 'registry' || isAbsolute(location.path)) return location;
  const absolute = resolve(root, location.path);
  const way = relative(cwd, absolute);
  const isFar = isAbsolute(way) || way.startsWith(['..', '..', '..'].join(sep));
  return { ...location, path: slashed(isFar ? absolute : way === '' ? '.' : way) };
}

function leadsOut(way: string): boolean {
  return way === '..' || way.startsWith(`..${sep}`);
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}

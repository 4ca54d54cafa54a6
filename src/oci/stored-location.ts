import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { MlistError } from '../errors/errors.ts';
import { formatLocation, isFileLocation, parseLocation, type Location } from './location.ts';

/**
 * Paths of locations. In a draft they begin at the folder that the workspace lies in, so that a project can be moved and
 * its drafts be used from every folder of it. People type and see them from where they are, and so does every operation:
 * the workspace turns them when it reads and writes, and nobody else has to.
 */
export interface Folders {
  /** Where the command runs. */
  readonly cwd: string;
  /** The folder that the workspace lies in. */
  readonly root: string;
}

/**
 * The folders of a workspace. Where the way to it leads through a ":", behind which a reference would begin, paths are told
 * as they are stored.
 */
export function foldersOf(workspace: string, cwd?: string): Folders {
  const root = dirname(resolve(workspace));
  return cwd === undefined || hasColon(slashed(relative(cwd, root))) ? { cwd: root, root } : { cwd, root };
}

/**
 * A location, as seen from where one is, as drafts keep it. An absolute path stays one, unless it leads into the workspace's
 * own folder.
 * @throws MlistError `ERR_MLIST_USAGE` where the path could not be told from a reference behind it
 */
export function storedLocation<T extends Location>(location: T, { cwd, root }: Folders): T {
  if (location.kind === 'registry') return location;
  const absolute = resolve(cwd, location.path);
  const way = relative(root, absolute);
  const isElsewhere = isAbsolute(way) || (isAbsolute(location.path) && leadsOut(way));
  const path = slashed(isElsewhere ? absolute : way === '' ? '.' : way);
  if (!hasColon(path)) return { ...location, path };
  throw new MlistError('ERR_MLIST_USAGE', `the path ${path} holds a ":", behind which a reference would begin`, {
    path: absolute,
    hint: 'Rename the folder, or move what it holds.',
  });
}

/** A stored location as people see it from where they are. */
export function shownLocation<T extends Location>(location: T, { cwd, root }: Folders): T {
  if (location.kind === 'registry' || isAbsolute(location.path)) return location;
  const way = relative(cwd, resolve(root, location.path));
  return { ...location, path: slashed(way === '' ? '.' : way) };
}

export function storedText(text: string, folders: Folders): string {
  return isFileLocation(text) ? formatLocation(storedLocation(parseLocation(text), folders)) : text;
}

export function shownText(text: string, folders: Folders): string {
  return isFileLocation(text) ? formatLocation(shownLocation(parseLocation(text), folders)) : text;
}

function leadsOut(way: string): boolean {
  return way === '..' || way.startsWith(`..${sep}`);
}

/** Beside that of a drive. */
function hasColon(path: string): boolean {
  return path.includes(':', /^[A-Za-z]:\//.test(path) ? 2 : 0);
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}

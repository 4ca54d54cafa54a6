import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { MlistError } from '../errors/errors.ts';
import { formatLocation, hasPath, isFileLocation, isPipe, parseLocation, type Location } from './location.ts';

/**
 * The base folders for paths of locations. In draft files they are relative to the parent folder of the workspace, so
 * that a project can be moved, and its drafts can be used from each of its folders. Everywhere else they are relative
 * to the current folder; the workspace converts them when it reads and writes files.
 */
export interface Folders {
  /** The current folder of the command. */
  readonly cwd: string;
  /** The parent folder of the workspace. */
  readonly root: string;
}

/**
 * The folders of a workspace. If the relative path between them contains a ":", which would separate a path from a
 * reference, paths are shown in their stored form.
 */
export function foldersOf(workspace: string, cwd?: string): Folders {
  const root = dirname(resolve(workspace));
  return cwd === undefined || hasColon(slashed(relative(cwd, root))) ? { cwd: root, root } : { cwd, root };
}

/**
 * A location as it is stored in drafts. An absolute path stays absolute, unless it is below the parent folder of the
 * workspace.
 * @throws MlistError `ERR_MLIST_USAGE` if the path contains a ":"
 */
export function storedLocation<T extends Location>(location: T, { cwd, root }: Folders): T {
  if (!hasPath(location) || isPipe(location)) return location;
  const absolute = resolve(cwd, location.path);
  const fromRoot = relative(root, absolute);
  const isOutside = isAbsolute(fromRoot) || (isAbsolute(location.path) && leadsOut(fromRoot));
  const path = slashed(isOutside ? absolute : named(fromRoot));
  if (!hasColon(path)) return { ...location, path };
  throw new MlistError('ERR_MLIST_USAGE', `the path ${path} contains a ":", which separates paths from references`, {
    path: absolute,
    hint: 'Rename the folder, or move its content to another one.',
  });
}

/** Converts a stored location to one relative to the current folder. */
export function shownLocation<T extends Location>(location: T, { cwd, root }: Folders): T {
  if (!hasPath(location) || isPipe(location) || isAbsolute(location.path)) return location;
  return { ...location, path: slashed(named(relative(cwd, resolve(root, location.path)))) };
}

/** The relative path; `.` for an empty one, and `./-` for `-`, which would otherwise mean stdin. */
function named(path: string): string {
  if (path === '') return '.';
  return path === '-' ? `.${sep}-` : path;
}

export function storedText(text: string, folders: Folders): string {
  return isFileLocation(text) ? formatLocation(storedLocation(parseLocation(text), folders)) : text;
}

export function shownText(text: string, folders: Folders): string {
  return isFileLocation(text) ? formatLocation(shownLocation(parseLocation(text), folders)) : text;
}

function leadsOut(path: string): boolean {
  return path === '..' || path.startsWith(`..${sep}`);
}

/** Whether a path contains a colon other than that of a drive letter. */
function hasColon(path: string): boolean {
  return path.includes(':', /^[A-Za-z]:\//.test(path) ? 2 : 0);
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}

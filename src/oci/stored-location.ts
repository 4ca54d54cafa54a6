import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { MlistError } from '../errors/errors.ts';
import { formatLocation, hasPath, isFileLocation, isPipe, parseLocation, type Location } from './location.ts';

/**
 * The base folders of relative paths in locations. In draft files, paths are relative to the parent folder of the
 * workspace, so that a project can be moved, and its drafts can be used from each of its folders. Everywhere else,
 * paths are relative to the current folder. The workspace converts them when it reads and writes draft files.
 */
export interface Folders {
  /** The working directory of the command. */
  readonly cwd: string;
  /** The parent folder of the workspace. */
  readonly root: string;
}

/**
 * Returns the base folders for a workspace. Both are the parent folder of the workspace if `cwd` is undefined, or if
 * the relative path from `cwd` to that folder contains a ":", because locations cannot contain such a path.
 */
export function foldersOf(workspace: string, cwd?: string): Folders {
  const root = dirname(resolve(workspace));
  return cwd === undefined || hasColon(slashed(relative(cwd, root))) ? { cwd: root, root } : { cwd, root };
}

/**
 * Converts a location to the form in which drafts store it. An absolute path stays absolute, unless it is inside the
 * parent folder of the workspace.
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
    hint: 'Rename the folder or file, or move it to a path without ":".',
  });
}

/** Converts the path of a stored location to a path relative to `cwd`. An absolute path stays absolute. */
export function shownLocation<T extends Location>(location: T, { cwd, root }: Folders): T {
  if (!hasPath(location) || isPipe(location) || isAbsolute(location.path)) return location;
  return { ...location, path: slashed(named(relative(cwd, resolve(root, location.path)))) };
}

/** Returns a relative path, with `.` instead of an empty path, and `./-` instead of `-`, which would mean stdin. */
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

/** Whether a path contains a colon, apart from the one after a drive letter. */
function hasColon(path: string): boolean {
  return path.includes(':', /^[A-Za-z]:\//.test(path) ? 2 : 0);
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}

import { isAbsolute, relative, sep } from 'node:path';

/** Whether a path is a folder or below it, by the texts of both. Links are not resolved. */
export function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

import { isAbsolute, relative, sep } from 'node:path';

/** Whether a path is the folder itself, or inside it. Compares only strings: symbolic links are not resolved. */
export function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

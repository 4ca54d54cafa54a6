import { isAbsolute, relative, sep } from 'node:path';

/** Whether a path is a folder itself or below it. Only the texts are compared: links are not resolved. */
export function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

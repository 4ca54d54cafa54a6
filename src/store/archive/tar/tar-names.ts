import { invalidHeader } from './tar-header.ts';

/**
 * The names of entries as keys. Nothing is ever written to where a name leads, but an archive whose names lead out of it
 * was made to hurt somebody, and what it says is not believed.
 */

/**
 * A name without `./` and repeated slashes; the empty text is the archive's own top folder.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` for absolute names and names with `..`
 */
export function normalizeName(name: string): string {
  if (name.startsWith('/')) throw invalidHeader(`the name ${displayName(name)} is absolute`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw invalidHeader(`the name ${displayName(name)} leads out of the archive`);
  return parts.join('/');
}

/**
 * Where a link leads: from its own folder, as a symbolic link says it, or from the top, as a hard link does.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where that is outside
 */
export function linkedName(name: string, link: string, kind: 'symlink' | 'hardlink'): string {
  if (link.startsWith('/'))
    throw invalidHeader(`the link ${displayName(name)} leads to ${displayName(link)}, out of the archive`);
  const way = kind === 'symlink' ? name.split('/').slice(0, -1) : [];
  for (const part of link.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') way.push(part);
    else if (way.pop() === undefined)
      throw invalidHeader(`the link ${displayName(name)} leads to ${displayName(link)}, out of the archive`);
  }
  return way.join('/');
}

export function displayName(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}

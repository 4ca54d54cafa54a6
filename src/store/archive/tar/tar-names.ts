import { invalidHeader } from './tar-header.ts';

/**
 * Removes `./` and repeated slashes from a name. The result is empty for the root folder of the archive. Names are only
 * used as keys, so a name that leads outside the archive would do no harm. An archive with such a name is refused
 * anyway, because it is malicious.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the name is absolute or contains `..`
 */
export function normalizeName(name: string): string {
  if (name.startsWith('/')) throw invalidHeader(`the name ${displayName(name)} is absolute`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw invalidHeader(`the name ${displayName(name)} contains ".."`);
  return parts.join('/');
}

/**
 * Returns the normalized target of a link. The target of a symbolic link is relative to the folder of the link; the
 * target of a hard link is relative to the root of the archive.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the target is outside the archive
 */
export function linkedName(name: string, link: string, kind: 'symlink' | 'hardlink'): string {
  if (link.startsWith('/'))
    throw invalidHeader(`the link ${displayName(name)} points to ${displayName(link)}, outside the archive`);
  const parts = kind === 'symlink' ? name.split('/').slice(0, -1) : [];
  for (const part of link.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined)
      throw invalidHeader(`the link ${displayName(name)} points to ${displayName(link)}, outside the archive`);
  }
  return parts.join('/');
}

/** Quotes and shortens a name for errors. */
export function displayName(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}

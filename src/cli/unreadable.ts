import { MlistError } from '../index.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  ENOTDIR: 'something on its path is no folder',
  EACCES: 'its permissions do not allow it',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
};

/**
 * Tells in words what stands in the way of reading a file.
 * @param cause - what Node threw
 * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_FILE`
 */
export function unreadable(file: string, cause: unknown): never {
  const { code = 'unknown reason' } = cause as { readonly code?: string };
  const reason = Object.hasOwn(reasons, code) ? reasons[code] : undefined;
  throw new MlistError(
    code === 'ENOENT' ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE',
    `cannot read ${file}: ${reason ?? code}`,
    { path: file, cause },
  );
}

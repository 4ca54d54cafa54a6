import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../fs/atomic.ts';
import { createFolders } from '../fs/folders.ts';
import { readAtMost } from '../fs/read-file.ts';
import { isRepositoryName } from '../oci/reference.ts';

/** Longer folder names are shortened, because file systems allow at most 255 bytes. */
const MAX_NAME_LENGTH = 200;

/** In a folder whose name is shortened, this file contains the full repository name. Other tools ignore it. */
const NAME_FILE = 'repository-name';

/** Device names that Windows reserves, with or without an extension. */
const device = /^(?:aux|con|nul|prn|com\d|lpt\d)(?:\.|$)/;

/**
 * Returns the folder name of a repository. Most names with one component are unchanged, so that existing layouts can be
 * served. `/` is escaped as `%2F`, because the folder of `a/b` must not be inside the folder of `a`. The first letter
 * of a Windows device name is escaped, too. A long name is shortened and ends with a hash; NAME_FILE contains the full
 * name. Folder names are unique, because repository names contain neither `%` nor `~`.
 */
export function folderOf(name: string): string {
  const escaped = name.replaceAll('/', '%2F').replace(device, (match) => `%${hex(match)}${match.slice(1)}`);
  if (escaped.length <= MAX_NAME_LENGTH) return escaped;
  return `${escaped.slice(0, 100)}~${createHash('sha256').update(name).digest('hex')}`;
}

function hex(text: string): string {
  return text.charCodeAt(0).toString(16).toUpperCase();
}

/**
 * Returns the repository name for a folder name. Returns undefined if the folder name is shortened or does not belong
 * to a repository.
 */
export function repositoryNameOf(folder: string): string | undefined {
  const name = folder.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return isRepositoryName(name) && folderOf(name) === folder ? name : undefined;
}

/** Whether a folder name is shortened. If so, only NAME_FILE contains the full name. */
function isShortened(folder: string): boolean {
  return /~[0-9a-f]{64}$/.test(folder);
}

/**
 * Returns the name of the repository in a folder: from the folder name or, if it is shortened, from NAME_FILE. Returns
 * undefined if the folder does not belong to a repository, or if NAME_FILE is missing or does not match the folder
 * name.
 */
export async function nameIn(dir: string): Promise<string | undefined> {
  const folder = basename(dir);
  if (!isShortened(folder)) return repositoryNameOf(folder);
  const bytes = await readAtMost(join(dir, NAME_FILE), { maxBytes: 1024, onlyFile: true }).catch(() => undefined);
  const name = bytes?.toString('utf8').trim() ?? '';
  return isRepositoryName(name) && folderOf(name) === folder ? name : undefined;
}

/**
 * Writes NAME_FILE if the folder name is shortened and the file is missing or contains another name. Creates the folder
 * if necessary.
 */
export async function recordName(dir: string, name: string): Promise<void> {
  if (!isShortened(basename(dir)) || (await nameIn(dir)) !== undefined) return;
  await createFolders(dir);
  await writeFileAtomic(join(dir, NAME_FILE), `${name}\n`);
}

import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../fs/atomic.ts';
import { createFolders } from '../fs/folders.ts';
import { readAtMost } from '../fs/read-file.ts';
import { isRepositoryName } from '../oci/reference.ts';

/** The maximum length of a folder name. File systems allow 255 bytes. */
const MAX_NAME_LENGTH = 200;

/** The file with the name of the repository, in a folder whose name is shortened. Other tools ignore it. */
const NAME_FILE = 'repository-name';

/** Device names of Windows. They are reserved with any extension, too. */
const device = /^(?:aux|con|nul|prn|com\d|lpt\d)(?:\.|$)/;

/**
 * Returns the folder name of a repository. A name with one component is not changed, so that existing layouts can be
 * served. `/` is escaped as `%2F`, so that the folder of `a/b` is beside that of `a` and not inside it. Folder names
 * are unique, because repository names contain neither `%` nor `~`. A name that is too long is shortened and gets a
 * hash; a file in the folder contains the complete name.
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
 * The repository name for a folder name; undefined for shortened names, and for names that are not those of
 * repositories.
 */
export function repositoryNameOf(folder: string): string | undefined {
  const name = folder.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return isRepositoryName(name) && folderOf(name) === folder ? name : undefined;
}

/** Whether a folder name is shortened. Only a file in the folder then contains the name of the repository. */
function isShortened(folder: string): boolean {
  return /~[0-9a-f]{64}$/.test(folder);
}

/**
 * The name of the repository in a folder; undefined if the folder is not that of a repository. For a shortened folder
 * name, the name is read from a file in the folder, which may be missing or contain the name for another folder.
 */
export async function nameIn(dir: string): Promise<string | undefined> {
  const folder = basename(dir);
  if (!isShortened(folder)) return repositoryNameOf(folder);
  const bytes = await readAtMost(join(dir, NAME_FILE), { maxBytes: 1024, onlyFile: true }).catch(() => undefined);
  const name = bytes?.toString('utf8').trim() ?? '';
  return isRepositoryName(name) && folderOf(name) === folder ? name : undefined;
}

/**
 * Stores the name of a repository in its folder, if the name of the folder is shortened and no name is stored. Creates
 * the folder if necessary.
 */
export async function recordName(dir: string, name: string): Promise<void> {
  if (!isShortened(basename(dir)) || (await nameIn(dir)) !== undefined) return;
  await createFolders(dir);
  await writeFileAtomic(join(dir, NAME_FILE), `${name}\n`);
}

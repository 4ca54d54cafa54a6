import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../fs/atomic.ts';
import { createFolders } from '../fs/folders.ts';
import { readAtMost } from '../fs/read-file.ts';
import { isRepositoryName } from '../oci/reference.ts';

/** File systems allow names of 255 bytes. */
const MAX_NAME_LENGTH = 200;

/** In a folder with a shortened name, this file has the name of the repository. Other tools ignore it. */
const NAME_FILE = 'repository-name';

/** Device names of Windows, which are reserved also with an extension. */
const device = /^(?:aux|con|nul|prn|com\d|lpt\d)(?:\.|$)/;

/**
 * The folder name of a repository. A name with one component is used as it is, so that existing layouts are served; `/` is
 * escaped as `%2F`, so that `a/b` is next to `a` and not inside it. Folder names are unique, because repository names contain
 * neither `%` nor `~`. Names that are too long are shortened and get a hash; a file in the folder has the whole name.
 */
export function folderOf(name: string): string {
  const escaped = name.replaceAll('/', '%2F').replace(device, (match) => `%${hex(match)}${match.slice(1)}`);
  if (escaped.length <= MAX_NAME_LENGTH) return escaped;
  return `${escaped.slice(0, 100)}~${createHash('sha256').update(name).digest('hex')}`;
}

function hex(text: string): string {
  return text.charCodeAt(0).toString(16).toUpperCase();
}

/** The repository name for a folder name; undefined for other files, and for shortened names. */
export function repositoryNameOf(folder: string): string | undefined {
  const name = folder.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return isRepositoryName(name) && folderOf(name) === folder ? name : undefined;
}

/** Whether a folder has a name that was shortened, so that only its file has the name of the repository. */
export function isShortened(folder: string): boolean {
  return /~[0-9a-f]{64}$/.test(folder);
}

/** The name of the repository in a folder with a shortened name; undefined if it has none, or one of another folder. */
export async function readName(dir: string): Promise<string | undefined> {
  const options = { maxBytes: 1024, onlyFile: true };
  const bytes = await readAtMost(join(dir, NAME_FILE), options).catch(() => undefined);
  const name = bytes?.toString('utf8').trim() ?? '';
  return isRepositoryName(name) && folderOf(name) === basename(dir) ? name : undefined;
}

export async function writeName(dir: string, name: string): Promise<void> {
  await createFolders(dir);
  await writeFileAtomic(join(dir, NAME_FILE), `${name}\n`);
}

import { createHash } from 'node:crypto';
import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Layout } from '../store/layout/layout.ts';
import { HEADER_FILE } from '../store/layout/layout-header.ts';
import { openLayout } from '../store/layout/open-layout.ts';
import { getOrCreate } from '../async/single-flight.ts';
import { asMlistError, MlistError } from '../errors/errors.ts';
import { createFolders } from '../fs/folders.ts';
import { isRepositoryName } from '../oci/reference.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import type { Repositories } from './storage.ts';

/** File systems allow names of 255 bytes. */
const MAX_NAME_LENGTH = 200;

/** Device names of Windows, which are reserved also with an extension. */
const device = /^(?:aux|con|nul|prn|com\d|lpt\d)(?:\.|$)/;

/**
 * The folder name of a repository. A name with one component is used as it is, so that existing layouts are served; `/` is
 * escaped as `%2F`, so that `a/b` is next to `a` and not inside it. Folder names are unique, because repository names contain
 * neither `%` nor `~`. Names that are too long are shortened and get a hash.
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

/** Repositories that are stored as OCI layouts in one folder. */
export class FolderRepositories implements Repositories {
  readonly #dir: string;
  /** Open layouts. There is one object for each, so that its edits are queued in memory and do not wait for the lock. */
  readonly #layouts = new Map<string, Layout>();
  readonly #openedForWriting = new Set<string>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws MlistError `ERR_MLIST_USAGE` if the folder itself is a layout */
  static async inFolder(dir: string, { create }: { readonly create: boolean }): Promise<FolderRepositories> {
    try {
      if (create) await createFolders(dir);
      const names = await readdir(dir);
      if (!names.includes(HEADER_FILE)) return new FolderRepositories(await realpath(dir));
    } catch (error) {
      throw asMlistError(error);
    }
    throw new MlistError('ERR_MLIST_USAGE', `${dir} is an OCI layout, not a folder of layouts`, {
      path: dir,
      hint: `Serve its parent folder: ${dirname(dir)}.`,
    });
  }

  find(name: string): Promise<Layout | undefined> {
    return ignoreNotFound(this.#layout(name, false));
  }

  /** Opens a repository for writing. The first call also removes temporary files of crashed processes. */
  async open(name: string): Promise<Layout> {
    const existing = this.#openedForWriting.has(name) ? await this.find(name) : undefined;
    if (existing !== undefined) return existing;
    this.#openedForWriting.add(name);
    return await this.#layout(name, true);
  }

  /** Damaged layouts are skipped, so that the others can be used. */
  async *all(): AsyncGenerator<Layout> {
    for (const name of await this.names()) {
      const layout = await this.find(name).catch(() => undefined);
      if (layout !== undefined) yield layout;
    }
  }

  /** The names of folders. Shortened names are missing, unless the repository was used before. */
  async names(): Promise<readonly string[]> {
    const onDisk = (await readdir(this.#dir)).map(repositoryNameOf).filter((name) => name !== undefined);
    return [...new Set([...onDisk, ...this.#layouts.keys()])];
  }

  /** Checks the folder every time, because layouts may be added or removed by other tools. */
  async #layout(name: string, create: boolean): Promise<Layout> {
    const dir = join(this.#dir, folderOf(name));
    await this.#checkInside(dir);
    const opened = await openLayout(dir, { create, keepUntagged: true });
    return getOrCreate(this.#layouts, name, () => opened);
  }

  /** A symbolic link may point to another layout in the served folder, but not outside it. */
  async #checkInside(dir: string): Promise<void> {
    const real = await realpath(dir).catch(() => dir);
    if (dirname(real) === this.#dir) return;
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${dir} is a link to a path outside the folder`, { path: dir });
  }
}

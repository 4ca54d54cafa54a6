import { randomUUID } from 'node:crypto';
import { lstat, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { STALE_MS } from '../store/layout/blob-folder.ts';
import { JOURNAL_FILE } from '../store/layout/index-journal.ts';
import type { Layout } from '../store/layout/layout.ts';
import { HEADER_FILE } from '../store/layout/layout-header.ts';
import { openLayout } from '../store/layout/open-layout.ts';
import { Limiter } from '../async/limiter.ts';
import { getOrCreate } from '../async/single-flight.ts';
import { asMlistError, errorCode, MlistError } from '../errors/errors.ts';
import { listFolder, removeStaleTemporaries } from '../fs/atomic.ts';
import { createFolders } from '../fs/folders.ts';
import { withLock } from '../fs/lock.ts';
import { indexLock } from '../store/layout/index-editor.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import { folderOf, nameIn, recordName } from './repository-folder.ts';
import type { Repositories } from './storage.ts';

/**
 * The prefix of the names of folders that are being removed. If the process is killed before a folder is removed, the
 * next registry that may write to the folder removes it at startup.
 */
const REMOVED = '.removed-';
/**
 * Repositories with fewer entries in index.json use no journal: their index.json can be rewritten just as fast, and
 * other tools then see every change at once.
 */
const JOURNAL_FROM = 128;

async function removeAll(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => rm(path, { recursive: true, force: true })));
}

/**
 * Recovers a layout after a crash: removes stale temporary files, and merges the journal into index.json.
 * @throws MlistError if the journal cannot be merged, for example because it is damaged
 */
async function recoverLayout(dir: string): Promise<void> {
  if (!(await isFolder(dir))) return;
  const files = await listFolder(dir).catch((): readonly string[] => []);
  if (files.some((name) => name.endsWith('.tmp'))) await removeStaleTemporaries(dir, STALE_MS);
  if (!files.includes(JOURNAL_FILE)) return;
  const layout = await openLayout(dir, { keepUntagged: true });
  await layout.mergeJournal();
}

/**
 * Whether the path is a folder. A symbolic link is not accepted, because it may point to a path outside the served
 * folder.
 */
async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() === true;
}

export interface FolderOptions {
  /**
   * Whether repositories may be changed. If true, a missing folder is created, and repositories are recovered after a
   * crash. If false, the folder must exist.
   */
  readonly create: boolean;
  /** See `holdMs` in the options of `openLayout`. */
  readonly holdMs?: number | undefined;
  /** Called for each repository that cannot be recovered. Requests to it fail if its journal is damaged. */
  readonly onDamaged?: ((error: unknown) => void) | undefined;
}

/** Repositories that are stored as OCI layouts in one folder. */
export class FolderRepositories implements Repositories {
  readonly #dir: string;
  /**
   * The open layouts, keyed by repository name. There is one object per layout, so that concurrent edits are queued in
   * memory instead of waiting for the lock file.
   */
  readonly #layouts = new Map<string, Layout>();
  readonly #openedForWriting = new Set<string>();

  readonly #isWritable: boolean;
  readonly #holdMs: number | undefined;

  private constructor(dir: string, isWritable: boolean, holdMs: number | undefined) {
    this.#dir = dir;
    this.#holdMs = holdMs;
    this.#isWritable = isWritable;
  }

  /**
   * Opens the folder of a registry.
   * @throws MlistError `ERR_MLIST_USAGE` if the folder itself is an OCI layout
   */
  static async inFolder(dir: string, { create, holdMs, onDamaged }: FolderOptions): Promise<FolderRepositories> {
    try {
      if (create) await createFolders(dir);
      const names = await readdir(dir);
      if (!names.includes(HEADER_FILE)) {
        const repositories = new FolderRepositories(await realpath(dir), create, holdMs);
        if (create) {
          await removeAll(names.filter((name) => name.startsWith(REMOVED)).map((name) => join(dir, name)));
          await repositories.#recover(names, onDamaged);
        }
        return repositories;
      }
    } catch (error) {
      throw asMlistError(error);
    }
    throw new MlistError('ERR_MLIST_USAGE', `${dir} is an OCI layout, not a folder that contains layouts`, {
      path: dir,
      hint: `Serve its parent folder: ${dirname(dir)}.`,
    });
  }

  /** Recovers all repositories, because an earlier registry process may have crashed. */
  async #recover(names: readonly string[], onDamaged: FolderOptions['onDamaged']): Promise<void> {
    const concurrent = new Limiter(16);
    const recover = (name: string): Promise<void> =>
      recoverLayout(join(this.#dir, name)).catch((error: unknown) => onDamaged?.(error));
    await Promise.all(names.map((name) => concurrent.run(() => recover(name))));
  }

  find(name: string): Promise<Layout | undefined> {
    return ignoreNotFound(this.#layout(name, false));
  }

  /** Opens a repository for writing. It is created if it does not exist. */
  async open(name: string): Promise<Layout> {
    const existing = this.#openedForWriting.has(name) ? await this.find(name) : undefined;
    if (existing !== undefined) return existing;
    this.#openedForWriting.add(name);
    return await this.#layout(name, true);
  }

  async *all(includes: (name: string) => boolean = () => true): AsyncGenerator<Layout> {
    for await (const [, layout] of this.named(includes)) yield layout;
  }

  /** Yields repositories with their names. Skips damaged layouts, so that the others can still be used. */
  async *named(
    includes: (name: string) => boolean = () => true,
  ): AsyncGenerator<readonly [name: string, layout: Layout]> {
    for (const name of (await this.names()).filter(includes)) {
      const layout = await this.find(name).catch(() => undefined);
      if (layout !== undefined) yield [name, layout];
    }
  }

  async names(): Promise<readonly string[]> {
    const names = await Promise.all((await readdir(this.#dir)).map((folder) => nameIn(join(this.#dir, folder))));
    return names.filter((name) => name !== undefined);
  }

  /**
   * Removes a repository, even a damaged one. Its folder is renamed first, so that no request sees a partly removed
   * repository. If the folder is a symbolic link to a layout, only the link is removed.
   * @returns false if the repository does not exist
   */
  async remove(name: string): Promise<boolean> {
    const dir = join(this.#dir, folderOf(name));
    await this.#checkInside(dir);
    try {
      const layout = await this.find(name);
      if (layout === undefined) return false;
      // Merges the journal now, because a later merge would fail after the folder was renamed.
      await layout.mergeJournal();
    } catch (error) {
      if (errorCode(error) !== 'ERR_MLIST_DOCUMENT_INVALID') throw error;
    }
    const isLink = (await lstat(dir)).isSymbolicLink();
    const removed = join(this.#dir, `${REMOVED}${randomUUID()}`);
    await withLock(indexLock(dir), () => rename(dir, removed), { subject: `the repository ${name}` });
    this.#layouts.delete(name);
    this.#openedForWriting.delete(name);
    // With `force`, because another registry that starts at this moment may have removed the folder.
    await rm(removed, { recursive: !isLink, force: true });
    return true;
  }

  /**
   * Merges the journals of the open layouts. If this fails, nothing is lost: the next registry that serves the folder
   * reads the journals.
   */
  async close(): Promise<void> {
    if (!this.#isWritable) return;
    await Promise.allSettled([...this.#layouts.values()].map((layout) => layout.mergeJournal()));
  }

  /** Opens a layout. The folder is checked every time, because other tools may add or remove layouts. */
  async #layout(name: string, create: boolean): Promise<Layout> {
    const dir = join(this.#dir, folderOf(name));
    await this.#checkInside(dir);
    // The name is recorded before the layout is created, so that every layout with a shortened folder name has a name
    // file.
    if (create) await recordName(dir, name);
    const journalFrom = this.#isWritable ? JOURNAL_FROM : undefined;
    const opened = await openLayout(dir, { create, keepUntagged: true, journalFrom, holdMs: this.#holdMs });
    return getOrCreate(this.#layouts, name, () => opened);
  }

  /**
   * Refuses a symbolic link to a path outside the served folder. A link to another layout in the folder is accepted.
   */
  async #checkInside(dir: string): Promise<void> {
    const real = await realpath(dir).catch(() => dir);
    if (dirname(real) === this.#dir) return;
    throw new MlistError(
      'ERR_MLIST_DOCUMENT_INVALID',
      `cannot open ${dir}: it is a symbolic link to a path outside the served folder`,
      {
        path: dir,
      },
    );
  }
}

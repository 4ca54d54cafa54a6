import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Draft } from '../draft.ts';
import { damagedDraft, formatDraft, parseDraft, parseStoredName } from './draft-file.ts';
import type { ProjectGuard } from './project-guard.ts';
import { shownDraft, storedDraft } from './stored-paths.ts';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { listFolder, removeStaleTemporaries, writeFileAtomic } from '../../fs/atomic.ts';
import { isNotFound, readFailure } from '../../fs/file-errors.ts';
import { createFolders } from '../../fs/folders.ts';
import { type LockOptions, withLock } from '../../fs/lock.ts';
import { readAtMostSync, type ReadFile } from '../../fs/read-file.ts';
import { createHash } from '../../oci/digest.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { type Folders, foldersOf } from '../../oci/stored-location.ts';
import { error, refusal } from '../../schema/problems.ts';
import { MAX_WORKSPACE_BYTES } from '../../schema/workspace-documents.ts';

/** A draft that was read from its file. */
export interface StoredDraft {
  readonly path: string;
  /** The time at which the file was last written. */
  readonly modified: Date;
  readonly draft: Draft;
}

export interface DamagedDraft {
  /** The file name without `.json`. `listOfFile` decodes it. */
  readonly name: string;
  readonly path: string;
  readonly error: MlistError;
}

/** The result of an edit. `changed`: whether the file was written. */
export interface Update {
  readonly before: Draft | undefined;
  readonly draft: Draft;
  readonly changed: boolean;
}

const SUFFIX = '.json';

/** Number of drafts that are read before the loop yields to signals and other tasks of the process. */
const DRAFTS_PER_TURN = 64;

/**
 * The drafts of a workspace:
 *
 *   drafts/<name>.json    one file for each draft, to be committed and reviewed
 *   state.json            local state (workspace-state.ts)
 *   blobs/                cached manifests and configs (store/cache.ts)
 *   layers/               digests of compressed layers (store/docker-image/layer-records.ts)
 *   locks/                lock files of running commands
 *   .gitignore            written by `init`: everything but drafts/
 *
 * Each draft has a lock, under which its file is replaced atomically: no update is lost, and a crash leaves the old
 * draft or the new one. A damaged draft is reported and never overwritten, and does not affect the others.
 */
export class Workspace {
  /** Absolute path of the workspace. */
  readonly folder: string;

  /** The base folders for relative paths in draft files, and in drafts in memory. */
  readonly folders: Folders;

  /** Decides which local content the drafts may refer to. If undefined, they may refer to all of it. */
  readonly guard: ProjectGuard | undefined;

  /**
   * @param cwd - base folder for relative paths in locations. Default: the parent folder of the workspace, as in draft
   * files
   */
  constructor(
    folder: string,
    { cwd, guard }: { readonly cwd?: string | undefined; readonly guard?: ProjectGuard | undefined } = {},
  ) {
    this.folder = folder;
    this.folders = foldersOf(folder, cwd);
    this.guard = guard;
  }

  pathOf(list: Reference): string {
    return join(this.folder, 'drafts', fileNameOf(list) + SUFFIX);
  }

  /**
   * Creates the folders of the workspace. With `gitignore`, also creates a file that keeps everything but the drafts
   * out of version control.
   */
  async create({ gitignore = false }: { readonly gitignore?: boolean } = {}): Promise<void> {
    await createFolders(join(this.folder, 'drafts'));
    await createFolders(join(this.folder, 'locks'));
    if (gitignore) await writeFileAtomic(join(this.folder, '.gitignore'), '*\n!.gitignore\n!drafts/\n!drafts/*.json\n');
  }

  /**
   * Reads the draft of a list. Returns undefined if it does not exist.
   * @throws MlistError `ERR_MLIST_DRAFT_DAMAGED` if its file is not a valid draft of this list
   */
  async find(list: Reference): Promise<Draft | undefined> {
    const path = this.pathOf(list);
    const bytes = readIfExists(path);
    if (bytes === undefined) return undefined;
    const draft = shownDraft(await parseDraft(bytes, path, list), this.folders);
    await this.guard?.loaded(draft);
    return draft;
  }

  /**
   * Reads the draft of a list.
   * @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` if it does not exist; `ERR_MLIST_DRAFT_DAMAGED` if its file is not a
   * valid draft of this list
   */
  async load(list: Reference): Promise<Draft> {
    return (await this.find(list)) ?? this.#missing(list);
  }

  /**
   * Edits a draft while its lock is held. Writes nothing if the edit returns undefined or an equal draft.
   * @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` if there is no draft and the edit returns undefined
   */
  async update(
    list: Reference,
    edit: (before: Draft | undefined) => Draft | undefined | Promise<Draft | undefined>,
    options: LockOptions = {},
  ): Promise<Update> {
    await this.create();
    return withLock(
      this.#lockOf(list),
      async (lock) => {
        const before = await this.find(list);
        const draft = (await edit(before)) ?? before;
        if (draft === undefined) return this.#missing(list);
        const text = this.#textOf(draft);
        const changed = before === undefined || text !== this.#textOf(before);
        if (changed) {
          await refuseUnreadable(text, list);
          await writeFileAtomic(this.pathOf(list), text, { lock });
          await this.guard?.written(draft);
        }
        return { before, draft, changed };
      },
      { subject: `the draft ${formatReference(list)}`, ...options },
    );
  }

  /**
   * Removes a draft, even a damaged one. Refuses to remove anything but a regular file.
   * @param unchanged - remove the draft only if it still equals this one
   * @returns whether the draft was removed
   */
  async remove(list: Reference, unchanged?: Draft, options: LockOptions = {}): Promise<boolean> {
    if (readIfExists(this.pathOf(list)) === undefined) return this.#missing(list);
    await this.create();
    return withLock(
      this.#lockOf(list),
      async (lock) => {
        if (unchanged !== undefined && formatDraft(await this.load(list)) !== formatDraft(unchanged)) return false;
        await lock.confirm();
        await unlink(this.pathOf(list));
        return true;
      },
      { subject: `the draft ${formatReference(list)}`, ...options },
    );
  }

  /** Reads all drafts, including damaged ones, in the order of their file names. */
  all(): Promise<readonly (StoredDraft | DamagedDraft)[]> {
    return this.map((stored) => stored);
  }

  /**
   * Calls `work` for each draft, including damaged ones, and returns the results in the order of the names. Only one
   * draft is in memory at a time.
   * @param names - names that the method `names` has returned. Default: all
   * @throws MlistError `ERR_MLIST_FILE` if a file cannot be read because of a system error
   */
  async map<T>(work: (stored: StoredDraft | DamagedDraft) => T, names?: readonly string[]): Promise<readonly T[]> {
    const results: T[] = [];
    for (const [at, name] of (names ?? (await this.names())).entries()) {
      if (at % DRAFTS_PER_TURN === 0) await nextTurn();
      const stored = await this.#read(name + SUFFIX);
      if (stored !== undefined) results.push(work(stored));
    }
    return results;
  }

  /** Returns the file names of all drafts without `.json`, sorted. `listOfFile` decodes them. */
  async names(): Promise<readonly string[]> {
    const files = await listFolder(join(this.folder, 'drafts'));
    return files.flatMap((name) =>
      name.endsWith(SUFFIX) && !name.startsWith('.') ? [name.slice(0, -SUFFIX.length)] : [],
    );
  }

  /**
   * Reads a draft file. Returns undefined if it was removed in the meantime. A system error is thrown, because the
   * draft may be intact.
   */
  async #read(name: string): Promise<StoredDraft | DamagedDraft | undefined> {
    const path = join(this.folder, 'drafts', name);
    try {
      const { bytes, modified } = readDocument(path);
      const draft = shownDraft(await parseDraft(bytes, path), this.folders);
      const expected = this.pathOf(draft.list);
      if (expected !== path)
        throw damagedDraft(path, [
          error('E-DRAFT', '/list', `the draft of ${formatReference(draft.list)} must be stored in ${expected}`),
        ]);
      return { path, modified, draft };
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return undefined;
      if (!(thrown instanceof MlistError)) throw readFailure(path, thrown);
      return { name: name.slice(0, -SUFFIX.length), path, error: thrown };
    }
  }

  /** Removes temporary files of crashed commands that are older than `age` milliseconds. Returns their number. */
  async removeLeftovers(age: number): Promise<number> {
    const folders = ['drafts', 'blobs/sha256', 'locks', '.'].map((name) => join(this.folder, name));
    const counts = await Promise.all(folders.map((folder) => removeStaleTemporaries(folder, age)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #textOf(draft: Draft): string {
    return formatDraft(storedDraft(draft, this.folders));
  }

  #lockOf(list: Reference): string {
    return join(this.folder, 'locks', `${fileNameOf(list)}.lock`);
  }

  #missing(list: Reference): never {
    const reference = formatReference(list);
    throw new MlistError('ERR_MLIST_DRAFT_NOT_FOUND', `there is no draft ${reference}`, {
      reference,
      path: this.folder,
      hint: 'Run "mlist ls" to list the drafts of this workspace, or create one with "mlist create".',
    });
  }
}

/** Refuses an edit whose result would be an invalid draft file. */
async function refuseUnreadable(text: string, list: Reference): Promise<void> {
  const name = formatReference(list);
  try {
    await parseDraft(Buffer.from(text), name, list);
  } catch (thrown) {
    if (thrown instanceof MlistError && thrown.problems.length > 0)
      throw refusal(`the edit of ${name}`, thrown.problems, 'ERR_MLIST_LIST_INVALID');
    throw thrown;
  }
}

/**
 * Reads a file of the workspace. The workspace may come from another user, so a pipe is refused without waiting for
 * data.
 * @throws MlistError `ERR_MLIST_DRAFT_DAMAGED` if the path is not a regular file; Node's errors if reading fails
 */
function readDocument(path: string): ReadFile {
  try {
    return readAtMostSync(path, MAX_WORKSPACE_BYTES);
  } catch (thrown) {
    if (!(thrown instanceof MlistError)) throw thrown;
    throw new MlistError('ERR_MLIST_DRAFT_DAMAGED', `${path} is damaged: it is not a regular file`, {
      path,
      hint: 'Delete it, or move it to another folder.',
    });
  }
}

export function readIfExists(path: string): Uint8Array | undefined {
  try {
    return readDocument(path).bytes;
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined;
    throw thrown;
  }
}

/**
 * Maximum length of an encoded name. A longer one is truncated to `PREFIX_LENGTH` characters, followed by `~` and a
 * hash.
 */
const MAX_NAME = 200;
const PREFIX_LENGTH = 120;

/** Names that Windows reserves for devices, with any extension. */
const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)/;

/**
 * Returns the file name of a draft without `.json`: the percent-encoded canonical reference. Upper-case letters and the
 * device names that Windows reserves are encoded too, so that the names are valid and distinct on every file system.
 */
export function fileNameOf(list: Reference): string {
  const name = formatReference(list);
  const encoded = name
    .replace(/[^a-z0-9._-]/gu, encodeAlways)
    .replace(reserved, (device) => encodeAlways(device.slice(0, 1)) + device.slice(1));
  if (encoded.length <= MAX_NAME) return encoded;
  return `${encoded.slice(0, PREFIX_LENGTH)}~${createHash('sha256').update(name).digest('hex')}`;
}

/**
 * Returns the list whose draft has this file name. Returns undefined if the name is not a valid file name of a draft,
 * or is truncated.
 */
export function listOfFile(name: string): Reference | undefined {
  try {
    const list = parseStoredName(decodeURIComponent(name));
    return fileNameOf(list) === name ? list : undefined;
  } catch {
    return undefined;
  }
}

function encodeAlways(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

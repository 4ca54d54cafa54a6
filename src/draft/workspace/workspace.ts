import { stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimited } from '../../async/limiter.ts';
import type { Draft } from '../draft.ts';
import { damaged, formatDraft, parseDraft } from './draft-file.ts';
import { shownDraft, storedDraft } from './stored-paths.ts';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { namesIn, removeStaleTemporaries, writeFileAtomic } from '../../fs/atomic.ts';
import { readFailure } from '../../fs/file-errors.ts';
import { makeFolders } from '../../fs/folders.ts';
import { type LockOptions, withLock } from '../../fs/lock.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { createHash } from '../../oci/digest.ts';
import { type Folders, foldersOf } from '../../oci/stored-location.ts';
import { error, refusal } from '../../schema/problems.ts';
import { MAX_WORKSPACE_BYTES } from '../../schema/workspace-documents.ts';

/**
 * The drafts of a workspace:
 *
 *   drafts/<name>.json    one draft a file, fit to commit and review
 *   state.json            machine state (state.ts)
 *   blobs/                cached manifests and configs (content/cache.ts)
 *   locks/                who is writing what just now
 *   .gitignore            written by `init`: everything but drafts/
 *
 * A write replaces its file atomically under a lock for each draft: two writers lose no update, and a crash leaves the
 * old draft or the new one. A damaged draft is named, never overwritten, and never in the way of the others.
 */
export interface StoredDraft {
  readonly list: string;
  readonly path: string;
  /** When it was last written. */
  readonly modified: Date;
  readonly draft: Draft;
}

export interface DamagedDraft {
  /** The file's name, from which the list can be guessed. */
  readonly name: string;
  readonly path: string;
  readonly error: MlistError;
}

/** What an edit came to. */
export interface Update {
  readonly before: Draft | undefined;
  readonly draft: Draft;
  readonly changed: boolean;
}

const SUFFIX = '.json';

/** Drafts that are read at once. */
const DRAFTS_AT_ONCE = 16;

export class Workspace {
  /** Absolute path of the workspace. */
  readonly folder: string;

  /** Where relative paths begin: those in the files, and those of the drafts that are read and written here. */
  readonly folders: Folders;

  /** @param cwd where relative paths of locations begin; default: where those in the files do, at the folder around it */
  constructor(folder: string, { cwd }: { readonly cwd?: string | undefined } = {}) {
    this.folder = folder;
    this.folders = foldersOf(folder, cwd);
  }

  pathOf(list: string): string {
    return join(this.folder, 'drafts', fileNameOf(list) + SUFFIX);
  }

  /** Makes the folders; with `gitignore` also the file that keeps all but the drafts out of version control. */
  async create({ gitignore = false }: { readonly gitignore?: boolean } = {}): Promise<void> {
    await makeFolders(join(this.folder, 'drafts'));
    await makeFolders(join(this.folder, 'locks'));
    if (gitignore) await writeFile(join(this.folder, '.gitignore'), '*\n!.gitignore\n!drafts/\n!drafts/*.json\n');
  }

  /** The draft of a list; undefined where there is none. */
  async find(list: string): Promise<Draft | undefined> {
    const path = this.pathOf(list);
    const bytes = await readIfThere(path);
    return bytes === undefined ? undefined : shownDraft(await parseDraft(bytes, path, list), this.folders);
  }

  /** @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND`, `ERR_MLIST_DRAFT_DAMAGED` */
  async load(list: string): Promise<Draft> {
    return (await this.find(list)) ?? this.#missing(list);
  }

  /** Reads, edits and writes one draft as one step; an edit that gives the same draft, or undefined, writes nothing. */
  async update(
    list: string,
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
        }
        return { before, draft, changed };
      },
      { subject: `the draft ${list}`, ...options },
    );
  }

  /**
   * Removes a draft, damaged or not. What is not a regular file is left alone.
   * @param unchanged - remove it only if it still is this draft
   * @returns whether it was removed
   */
  async remove(list: string, unchanged?: Draft, options: LockOptions = {}): Promise<boolean> {
    if ((await readIfThere(this.pathOf(list))) === undefined) return this.#missing(list);
    await this.create();
    return withLock(
      this.#lockOf(list),
      async (lock) => {
        if (unchanged !== undefined && formatDraft(await this.load(list)) !== formatDraft(unchanged)) return false;
        await lock.confirm();
        await unlink(this.pathOf(list));
        return true;
      },
      { subject: `the draft ${list}`, ...options },
    );
  }

  /** All drafts, by name; the damaged ones too. */
  all(): Promise<readonly (StoredDraft | DamagedDraft)[]> {
    return this.map((stored) => stored);
  }

  /**
   * What `pick` returns for each draft, by name; for the damaged ones too. Few drafts are in memory at once.
   * @throws MlistError `ERR_MLIST_FILE` where a draft cannot be read
   */
  async map<T>(pick: (stored: StoredDraft | DamagedDraft) => T | Promise<T>): Promise<readonly T[]> {
    const names = (await namesIn(join(this.folder, 'drafts'))).filter(
      (name) => name.endsWith(SUFFIX) && !name.startsWith('.'),
    );
    const picked = await mapLimited(names, DRAFTS_AT_ONCE, async (name) => {
      const stored = await this.#read(name);
      return stored === undefined ? [] : [await pick(stored)];
    });
    return picked.flatMap((one) => one);
  }

  /** Undefined where the draft was removed meanwhile. Only what can be read and is not a draft is damaged. */
  async #read(name: string): Promise<StoredDraft | DamagedDraft | undefined> {
    const path = join(this.folder, 'drafts', name);
    try {
      const [bytes, info] = [await readDocument(path), await stat(path)];
      const draft = shownDraft(await parseDraft(bytes, path), this.folders);
      const proper = this.pathOf(draft.list);
      if (proper !== path)
        throw damaged(path, [error('E-DRAFT', '/list', `a draft of ${draft.list} belongs in ${proper}`)]);
      return { list: draft.list, path, modified: info.mtime, draft };
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return undefined;
      if (!(thrown instanceof MlistError)) throw readFailure(path, thrown);
      return { name: name.slice(0, -SUFFIX.length), path, error: thrown };
    }
  }

  /** Removes what crashed commands left behind. */
  async removeLeftovers(age: number): Promise<number> {
    const folders = ['drafts', 'blobs/sha256', 'locks', '.'].map((name) => join(this.folder, name));
    const counts = await Promise.all(folders.map((folder) => removeStaleTemporaries(folder, age)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #textOf(draft: Draft): string {
    return formatDraft(storedDraft(draft, this.folders));
  }

  #lockOf(list: string): string {
    return join(this.folder, 'locks', `${fileNameOf(list)}.lock`);
  }

  #missing(list: string): never {
    throw new MlistError('ERR_MLIST_DRAFT_NOT_FOUND', `there is no draft ${list}`, {
      reference: list,
      path: this.folder,
      hint: 'See "mlist ls" for the drafts of this workspace, or make one with "mlist create".',
    });
  }
}

/** Nothing is written that could not be read again: an edit that would do that is refused, and changes nothing. */
async function refuseUnreadable(text: string, list: string): Promise<void> {
  try {
    await parseDraft(Buffer.from(text), list, list);
  } catch (thrown) {
    if (thrown instanceof MlistError && thrown.problems.length > 0)
      throw refusal(`the edit of ${list}`, thrown.problems, 'ERR_MLIST_LIST_INVALID');
    throw thrown;
  }
}

/**
 * A workspace may come from somebody else: nothing in it is waited for.
 * @throws MlistError `ERR_MLIST_DRAFT_DAMAGED` for what is not a regular file; errors of Node
 */
async function readDocument(path: string): Promise<Uint8Array> {
  try {
    return await readAtMost(path, { maxBytes: MAX_WORKSPACE_BYTES, onlyFile: true });
  } catch (thrown) {
    if (!(thrown instanceof MlistError)) throw thrown;
    throw new MlistError('ERR_MLIST_DRAFT_DAMAGED', `${path} is damaged: it is not a regular file`, {
      path,
      hint: 'Move it away: mlist does not touch it.',
    });
  }
}

export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readDocument(path);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT' || errorCode(thrown) === 'ENOTDIR') return undefined;
    throw thrown;
  }
}

/**
 * The file name of a draft: the canonical reference, percent-encoded. Two references never share a name, on any file
 * system: upper-case letters are encoded too, and so are names that Windows keeps for devices.
 */
const MAX_NAME = 200;
const PREFIX_LENGTH = 120;

/** Names that Windows takes for devices, whatever follows the first dot. */
const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)/;

export function fileNameOf(list: string): string {
  const encoded = Array.from(list, encode)
    .join('')
    .replace(reserved, (name) => encodeAlways(name.slice(0, 1)) + name.slice(1));
  if (encoded.length <= MAX_NAME) return encoded;
  return `${encoded.slice(0, PREFIX_LENGTH)}~${createHash('sha256').update(list).digest('hex')}`;
}

function encode(character: string): string {
  return /^[a-z0-9._-]$/.test(character) ? character : encodeAlways(character);
}

function encodeAlways(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asMlistError, MlistError, type ErrorFacts } from '../../errors/errors.ts';
import { writeFileAtomic, type HeldLock } from '../../fs/atomic.ts';
import { isNotFound } from '../../fs/file-errors.ts';
import { fileVersion, isFineTime } from '../../fs/file-version.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { MediaType } from '../../oci/media-type.ts';
import type { JsonObject } from '../../json/json.ts';
import { EntryEdit } from './entry-edit.ts';
import { EntryTable } from './entry-table.ts';
import type { Entries } from './index-entries.ts';
import {
  entryBytes,
  FULL_BYTES,
  formatIndex,
  INDEX_LIMITS,
  indexBytes,
  IndexFullError,
  parseIndex,
  type Index,
} from './index-document.ts';
import { appendToJournal, JOURNAL_FILE, journalLine, removeJournal, withJournal } from './index-journal.ts';
import { realPathInside } from './path-inside.ts';

/**
 * A file that was modified less than this many milliseconds before it is read may be written again without a change of
 * its modification time.
 */
const SETTLED_MS = 1_000;

/** Maximum number of attempts to read index.json while other processes rewrite it. */
const READ_TRIES = 20;

/** Maximum size of the journal. An edit that would exceed it is written to index.json together with the journal. */
const MAX_JOURNAL_BYTES = 16 * 1024 * 1024;

/** The content of index.json and the journal when this process last read or wrote them. */
interface State {
  readonly table: EntryTable;
  readonly document: JsonObject;
  /** The version of index.json; undefined if the file may have changed without a new version. */
  readonly index: string | undefined;
  /** The version of the journal; undefined if the file may have changed without a new version. */
  readonly journal: string | undefined;
  /**
   * The size of the journal if this process wrote it last; 0 if it does not exist. Undefined if nothing may be appended
   * to it, because another process wrote it or it could not be removed.
   */
  readonly journalSize: number | undefined;
  /** The size of index.json after a merge of the journal, in bytes; undefined until it is needed. */
  readonly bytes?: number | undefined;
}

/**
 * Adds an edit to the edits that are being stored together.
 * @param options - `isRemoval`: whether the edit removes something. Such an edit is stored even if the index is full.
 * Default false
 * @throws MlistError `ERR_MLIST_FILE` if the index is full
 */
export type StoreChange = (edit: EntryEdit, options?: { readonly isRemoval?: boolean | undefined }) => void;

interface Version {
  readonly version: string;
  /** Whether every later write to the file will change its modification time; see `SETTLED_MS`. */
  readonly isSettled: boolean;
  /** Whether the file system stores fractions of seconds. If so, every write changes the version. */
  readonly hasFineTime: boolean;
}

const ABSENT = 'absent';

async function versionOf(path: string): Promise<Version> {
  const info = await stat(path, { bigint: true }).catch((error: unknown) => {
    // A journal that cannot be examined must not be treated as missing, because its edits would be lost.
    if (!isNotFound(error)) throw asMlistError(error);
    return undefined;
  });
  if (info === undefined) return { version: ABSENT, isSettled: true, hasFineTime: false };
  return {
    version: fileVersion(info),
    isSettled: Date.now() - Number(info.mtimeMs) > SETTLED_MS,
    hasFineTime: isFineTime(info.mtimeNs),
  };
}

function parseOr<T>(bytes: Uint8Array, parse: (bytes: Uint8Array) => T, failure: (error: Error) => Error): T {
  try {
    return parse(bytes);
  } catch (error) {
    throw failure(error as Error);
  }
}

/** Returns the number of bytes by which an edit makes index.json larger; negative if it makes index.json smaller. */
function growthOf({ changed, added }: EntryEdit): number {
  let grown = 0;
  for (const [before, after] of changed) grown += (after === undefined ? 0 : entryBytes(after)) - entryBytes(before);
  for (const entry of added) grown += entryBytes(entry);
  return grown;
}

/**
 * Reads and writes the index.json of a layout (image-spec v1.1.1 image-layout.md "index.json file") and its journal.
 */
export class IndexFile {
  readonly #root: string;
  readonly #name: string;
  readonly #path: string;
  readonly #journal: string;
  readonly #journalFrom: number;
  #state: State | undefined;
  /**
   * Whether this process is storing edits. If so, it holds the lock, so no other process of mlist changes the files.
   */
  #isWriting = false;
  /** Increases whenever `#state` is replaced. */
  #generation = 0;

  /**
   * @param root - real path of the layout's folder
   * @param name - name of that folder in errors
   * @param journalFrom - if index.json has at least this many entries, edits are appended to the journal, and the
   * caller must call `merge` later. Default: all edits are written to index.json
   */
  constructor(root: string, name: string, journalFrom = Infinity) {
    this.#root = root;
    this.#name = name;
    this.#path = join(root, 'index.json');
    this.#journal = join(root, JOURNAL_FILE);
    this.#journalFrom = journalFrom;
  }

  /** Whether all edits are known to be in index.json. */
  get isMerged(): boolean {
    return this.#state?.journalSize === 0;
  }

  /** Whether this process has to call `merge`. */
  get needsMerge(): boolean {
    return this.#journalFrom !== Infinity && !this.isMerged;
  }

  /**
   * Returns the entries for reading; use `edit` to change them. Unchanged files are not read again.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if index.json is missing or damaged, or the journal is damaged
   */
  async entries(): Promise<EntryTable> {
    for (;;) {
      const generation = this.#generation;
      const versions = await this.#versions();
      // While this process stores edits, the files are inconsistent, so the state in memory is used.
      if (this.#isWriting && this.#state !== undefined) return this.#state.table;
      if (this.#generation === generation) return (await this.#load(versions)).table;
    }
  }

  /**
   * Calls `change`, and then stores all edits that it has passed to `store` with one write. If a file cannot be read,
   * nothing is written.
   * @param change - receives an edit that contains all edits passed to `store` so far
   */
  async edit(change: (edit: EntryEdit, store: StoreChange) => Promise<void>, lock: HeldLock): Promise<void> {
    const state = await this.#load(await this.#versions());
    this.#set(state);
    this.#isWriting = true;
    try {
      const all = new EntryEdit(state.table);
      const lines: string[] = [];
      let bytes = state.bytes ?? indexBytes({ document: state.document, entries: state.table.all() });
      let journalBytes = state.journalSize ?? MAX_JOURNAL_BYTES;
      await change(all, (edit, { isRemoval = false } = {}) => {
        if (edit.isEmpty) return;
        const grown = growthOf(edit);
        // An edit that is appended to the journal is checked too, because a merge writes it to index.json later.
        const maxBytes = grown > 0 && !isRemoval ? FULL_BYTES : INDEX_LIMITS.maxBytes;
        if (bytes + grown > maxBytes) throw new IndexFullError(this.#name);
        const line = journalLine(edit);
        lines.push(line);
        all.apply(edit);
        bytes += grown;
        journalBytes += Buffer.byteLength(line);
      });
      if (all.isEmpty) return;
      const { index, journalSize = MAX_JOURNAL_BYTES } = state;
      const isLong = state.table.size >= this.#journalFrom || journalSize > 0;
      const isAppended = isLong && index !== undefined && journalBytes <= MAX_JOURNAL_BYTES;
      const stored = isAppended
        ? await this.#append(state, journalSize, lines, lock)
        : await this.#write(state, all.all(), lock);
      state.table.apply(all);
      this.#set({ ...stored, bytes });
    } catch (error) {
      this.#set(undefined);
      throw error;
    } finally {
      this.#isWriting = false;
    }
  }

  /** Writes the edits of the journal to index.json, and removes the journal. */
  async merge(lock: HeldLock): Promise<void> {
    const state = await this.#load(await this.#versions());
    if (state.journalSize === 0) return;
    this.#set(state);
    this.#isWriting = true;
    try {
      this.#set(await this.#write(state, state.table.all(), lock));
    } catch (error) {
      this.#set(undefined);
      throw error;
    } finally {
      this.#isWriting = false;
    }
  }

  /** Creates an empty index.json, or validates the existing one. */
  async create(lock: HeldLock): Promise<void> {
    if ((await realPathInside(this.#root, this.#path, this.#name)) !== undefined) await this.#readIndex();
    else {
      const document = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
      await writeFileAtomic(this.#path, formatIndex({ document, entries: [] }), { lock });
    }
  }

  #set(state: State | undefined): void {
    this.#state = state;
    this.#generation += 1;
  }

  async #append(state: State, size: number, lines: readonly string[], lock: HeldLock): Promise<State> {
    const journalSize = await appendToJournal(this.#journal, size, lines, lock);
    return { ...state, journalSize, journal: (await versionOf(this.#journal)).version };
  }

  /**
   * Writes index.json, then removes the journal. If the process crashes in between, the edits of the journal are in the
   * new index.json, and applying them again changes nothing.
   */
  async #write({ table, document }: State, entries: Entries, lock: HeldLock): Promise<State> {
    const text = formatIndex({ document, entries });
    const bytes = Buffer.byteLength(text);
    // mlist cannot read larger files.
    if (bytes > INDEX_LIMITS.maxBytes) throw new IndexFullError(this.#name);
    await writeFileAtomic(this.#path, text, { lock });
    await removeJournal(this.#journal);
    const [index, journal] = await this.#versions();
    const isRemoved = journal.version === ABSENT;
    const version = index.hasFineTime ? index.version : undefined;
    return { table, document, index: version, journal: journal.version, journalSize: isRemoved ? 0 : undefined, bytes };
  }

  async #versions(): Promise<readonly [Version, Version]> {
    return [await versionOf(this.#path), await versionOf(this.#journal)];
  }

  /** Returns the state in memory or, if a file has changed, reads the files again. */
  async #load(seen: readonly [Version, Version]): Promise<State> {
    let [index, journal] = seen;
    const generation = this.#generation;
    for (let tries = 1; ; tries += 1) {
      const { index: knownIndex, journal: knownJournal } = this.#state ?? {};
      if (this.#state !== undefined && knownIndex === index.version && knownJournal === journal.version)
        return this.#state;
      const [state, after] = await this.#readBoth(index, journal);
      if (after.version === index.version || tries === READ_TRIES) {
        if (this.#generation === generation) this.#set(state);
        return state;
      }
      [index, journal] = await this.#versions();
    }
  }

  /**
   * Reads index.json, then the journal, then the version of index.json again. If the version is the same, no edit was
   * missed, because a merge replaces index.json before it removes the journal.
   */
  async #readBoth(index: Version, journal: Version): Promise<readonly [State, Version]> {
    const { document, entries } = await this.#readIndex();
    const edits = journal.version === ABSENT ? undefined : await this.#readIfExists(this.#journal);
    const after = await versionOf(this.#path);
    const merged =
      edits === undefined
        ? entries
        : parseOr(
            edits,
            (bytes) => withJournal(entries, bytes),
            (error) => this.#damaged(this.#journal, error),
          );
    const state = {
      table: new EntryTable(merged),
      document,
      index: index.isSettled ? index.version : undefined,
      journal: journal.isSettled ? journal.version : undefined,
      journalSize: journal.version === ABSENT && edits === undefined ? 0 : undefined,
    };
    return [state, after];
  }

  async #readIndex(): Promise<Index> {
    return parseOr(await this.#read(this.#path), parseIndex, (error) => this.#damaged(this.#path, error));
  }

  async #readIfExists(path: string): Promise<Uint8Array | undefined> {
    if ((await realPathInside(this.#root, path, this.#name)) === undefined) return undefined;
    return await this.#read(path);
  }

  async #read(path: string): Promise<Uint8Array> {
    const real = await realPathInside(this.#root, path, this.#name);
    if (real === undefined) throw this.#invalid(path, 'is missing');
    try {
      return await readAtMost(real, { maxBytes: INDEX_LIMITS.maxBytes, onlyFile: true });
    } catch (error) {
      throw asMlistError(error);
    }
  }

  #damaged(path: string, reason: Error): MlistError {
    const { problems = [], hint } = reason as Partial<MlistError>;
    return this.#invalid(path, `is damaged: ${reason.message}`, { problems, ...(hint === undefined ? {} : { hint }) });
  }

  #invalid(path: string, fault: string, facts: Pick<ErrorFacts, 'problems' | 'hint'> = {}): MlistError {
    const file = path === this.#path ? 'index.json' : JOURNAL_FILE;
    return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${join(this.#name, file)} ${fault}`, {
      path,
      hint: 'Nothing was changed. Restore or repair the file, or use another folder.',
      ...facts,
    });
  }
}

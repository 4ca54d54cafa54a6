import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asMlistError, MlistError } from '../../errors/errors.ts';
import { writeFileAtomic, type HeldLock } from '../../fs/atomic.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { MediaType } from '../../oci/media-type.ts';
import type { JsonObject } from '../../json/json.ts';
import { sameEntries, type Entries } from './index-entries.ts';
import { formatIndex, INDEX_LIMITS, parseIndex, type Index } from './index-document.ts';
import { realPathInside } from './path-inside.ts';

/** A file that is younger than this when it is read may change again without a new modification time. */
const SETTLED_MS = 1_000;

/** index.json of a layout (image-spec v1.1.1 image-layout.md "index.json file"). */
export class IndexFile {
  readonly #root: string;
  readonly #name: string;
  readonly #path: string;
  #cached: { readonly version: string; readonly index: Index } | undefined;

  /**
   * @param root - real path of the layout's folder
   * @param name - name of that folder in errors
   */
  constructor(root: string, name: string) {
    this.#root = root;
    this.#name = name;
    this.#path = join(root, 'index.json');
  }

  /**
   * Returns the entries for reading; use `edit` to change them. An unchanged file is not read again.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the file is missing or damaged
   */
  async entries(): Promise<Entries> {
    const info = await stat(this.#path, { bigint: true }).catch(() => undefined);
    const version = info && [info.dev, info.ino, info.size, info.mtimeNs, info.ctimeNs].join();
    if (version !== undefined && this.#cached?.version === version) return this.#cached.index.entries;
    const index = await this.#read();
    const isSettled = info !== undefined && Date.now() - Number(info.mtimeMs) > SETTLED_MS;
    this.#cached = isSettled && version !== undefined ? { version, index } : undefined;
    return index.entries;
  }

  /** Applies a change to the entries. A file that cannot be read is not replaced. */
  async edit(change: (entries: Entries) => Promise<Entries>, lock: HeldLock): Promise<void> {
    const { document, entries } = await this.#read();
    const changed = await change(entries);
    if (!sameEntries(entries, changed)) await this.#write(document, changed, lock);
  }

  /** Creates an empty index if the file does not exist. An existing file must be valid. */
  async create(lock: HeldLock): Promise<void> {
    if ((await realPathInside(this.#root, this.#path, this.#name)) !== undefined) await this.#read();
    else await this.#write({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] }, [], lock);
  }

  async #write(document: JsonObject, entries: Entries, lock: HeldLock): Promise<void> {
    await writeFileAtomic(this.#path, formatIndex({ document, entries }), { lock });
  }

  async #read(): Promise<Index> {
    const real = await realPathInside(this.#root, this.#path, this.#name);
    if (real === undefined) throw this.#damaged(new Error('it is missing'));
    let bytes: Uint8Array;
    try {
      bytes = await readAtMost(real, { maxBytes: INDEX_LIMITS.maxBytes, onlyFile: true });
    } catch (error) {
      throw asMlistError(error);
    }
    try {
      return parseIndex(bytes);
    } catch (error) {
      throw this.#damaged(error as Error);
    }
  }

  #damaged(reason: Error): MlistError {
    const file = join(this.#name, 'index.json');
    return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${file} is damaged: ${reason.message}`, {
      path: this.#path,
      problems: reason instanceof MlistError ? reason.problems : [],
      hint: 'Nothing was changed. Repair the file, or use another folder.',
    });
  }
}

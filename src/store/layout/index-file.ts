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

/** A file that changed less than this before it was read may change again within one tick of the file system's clock. */
const SETTLED_MS = 1_000;

/** index.json of a layout (image-spec v1.1.1 image-layout.md "index.json file"). */
export class IndexFile {
  readonly #root: string;
  readonly #name: string;
  readonly #path: string;
  #known: { readonly version: string; readonly index: Index } | undefined;

  /**
   * @param root the layout's folder, its real path
   * @param name what errors call that folder
   */
  constructor(root: string, name = root) {
    this.#root = root;
    this.#name = name;
    this.#path = join(root, 'index.json');
  }

  /**
   * The entries, for looking only: an unchanged file is not read again.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where the file is missing or damaged.
   */
  async entries(): Promise<Entries> {
    const info = await stat(this.#path, { bigint: true }).catch(() => undefined);
    const version = info && [info.dev, info.ino, info.size, info.mtimeNs, info.ctimeNs].join();
    if (version !== undefined && this.#known?.version === version) return this.#known.index.entries;
    const index = await this.#read();
    const settled = info !== undefined && Date.now() - Number(info.mtimeMs) > SETTLED_MS;
    this.#known = settled && version !== undefined ? { version, index } : undefined;
    return index.entries;
  }

  /** Replaces the entries. A file that cannot be read is never replaced. */
  async edit(change: (entries: Entries) => Promise<Entries>, lock: HeldLock): Promise<void> {
    const { document, entries } = await this.#read();
    const changed = await change(entries);
    if (!sameEntries(entries, changed)) await this.#write(document, changed, lock);
  }

  /** Writes an empty index where there is none; one that is there must be readable. */
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
    const shown = join(this.#name, 'index.json');
    return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${shown} is damaged: ${reason.message}`, {
      path: this.#path,
      problems: reason instanceof MlistError ? reason.problems : [],
      hint: 'Nothing was changed. Mend the file by hand, or write to another folder.',
    });
  }
}

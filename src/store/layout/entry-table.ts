import { getOrCreate } from '../../async/single-flight.ts';
import type { Digest } from '../../oci/digest.ts';
import { tagOf, type Entries, type Entry } from './index-entries.ts';

/**
 * The entries of index.json with the lookups that reads and edits need. Their cost does not depend on the number of
 * entries.
 */
export interface EntrySet {
  /** All entries in their order. */
  all(): Entries;
  tagged(tag: string): Entries;
  withDigest(digest: Digest): Entries;
}

/**
 * The changes of an edit: for each replaced entry its replacement, undefined for each removed one, and the appended
 * entries.
 */
export interface EntryChanges {
  readonly changed: ReadonlyMap<Entry, Entry | undefined>;
  readonly added: Entries;
}

/** The entries of a layout, in memory. An edit is applied synchronously, after it has been written to the files. */
export class EntryTable implements EntrySet {
  /** The entries in their order. Removed entries leave empty slots until half of the slots are empty. */
  #slots: (Entry | undefined)[] = [];
  readonly #positions = new Map<Entry, number>();
  readonly #byTag = new Map<string, Entry[]>();
  readonly #byDigest = new Map<Digest, Entry[]>();
  #all: Entries | undefined;

  constructor(entries: Entries) {
    // The lists have no readers yet. They are not copied for each entry, because all tags may have one digest.
    for (const [position, entry] of entries.entries()) {
      const tag = tagOf(entry);
      this.#positions.set(entry, position);
      this.#slots.push(entry);
      if (tag !== undefined) getOrCreate(this.#byTag, tag, () => []).push(entry);
      getOrCreate(this.#byDigest, entry.descriptor.digest, () => []).push(entry);
    }
  }

  get size(): number {
    return this.#positions.size;
  }

  all(): Entries {
    this.#all ??= this.#slots.filter((entry) => entry !== undefined);
    return this.#all;
  }

  tagged(tag: string): Entries {
    return this.#byTag.get(tag) ?? [];
  }

  withDigest(digest: Digest): Entries {
    return this.#byDigest.get(digest) ?? [];
  }

  apply({ changed, added }: EntryChanges): void {
    for (const [before, after] of changed) {
      const position = this.#positions.get(before);
      if (position === undefined) continue;
      this.#positions.delete(before);
      this.#slots[position] = after;
      replaceIn(this.#byTag, tagOf(before), before, undefined);
      replaceIn(this.#byDigest, before.descriptor.digest, before, undefined);
      if (after === undefined) continue;
      this.#positions.set(after, position);
      this.#index(after);
    }
    for (const entry of added) this.#append(entry);
    this.#all = undefined;
    if (this.#slots.length > 2 * this.#positions.size + 64) this.#compact();
  }

  #append(entry: Entry): void {
    this.#positions.set(entry, this.#slots.length);
    this.#slots.push(entry);
    this.#index(entry);
  }

  #index(entry: Entry): void {
    replaceIn(this.#byTag, tagOf(entry), undefined, entry);
    replaceIn(this.#byDigest, entry.descriptor.digest, undefined, entry);
  }

  #compact(): void {
    this.#slots = [...this.all()];
    for (const [position, entry] of this.#slots.entries())
      if (entry !== undefined) this.#positions.set(entry, position);
  }
}

/** Removes or adds an entry of a list. The list is copied, because readers may still iterate over the old one. */
function replaceIn<K>(
  map: Map<K, Entry[]>,
  key: K | undefined,
  before: Entry | undefined,
  after: Entry | undefined,
): void {
  if (key === undefined) return;
  const others = (map.get(key) ?? []).filter((entry) => entry !== before);
  if (after !== undefined) others.push(after);
  if (others.length === 0) map.delete(key);
  else map.set(key, others);
}

import { getOrCreate } from '../../async/single-flight.ts';
import type { Digest } from '../../oci/digest.ts';
import { tagOf, type Entries, type Entry } from './index-entries.ts';

/** The entries of index.json, with lookups by tag and by digest whose cost does not depend on the number of entries. */
export interface EntrySet {
  /** Returns all entries in the order of index.json. */
  all(): Entries;
  tagged(tag: string): Entries;
  withDigest(digest: Digest): Entries;
}

/** The changes that an edit makes to the entries. */
export interface EntryChanges {
  /** Maps each replaced entry to its replacement, and each removed entry to undefined. */
  readonly changed: ReadonlyMap<Entry, Entry | undefined>;
  /** The entries to append. */
  readonly added: Entries;
}

/** The entries of a layout, in memory. An edit is applied only after it has been written to the files. */
export class EntryTable implements EntrySet {
  /**
   * The entries in the order of index.json. A removed entry leaves an empty slot. The empty slots are removed when they
   * outnumber the entries by more than 64.
   */
  #slots: (Entry | undefined)[] = [];
  readonly #positions = new Map<Entry, number>();
  readonly #byTag = new Map<string, Entry[]>();
  readonly #byDigest = new Map<Digest, Entry[]>();
  #all: Entries | undefined;

  constructor(entries: Entries) {
    // The arrays are extended in place, because nothing has read them yet. Copying them for each entry, as `apply`
    // does, would take quadratic time if many tags have the same digest.
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

/**
 * Removes `before` from the entries of a key, and adds `after`. The array is copied, because a reader may still be
 * iterating over the old one.
 */
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

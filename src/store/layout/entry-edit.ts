import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { jsonObject, memberNames, type JsonObject } from '../../json/json.ts';
import type { EntryChanges, EntrySet } from './entry-table.ts';
import { entryOf, isMinimal, mediaTypeIn, tagOf, type Entries, type Entry } from './index-entries.ts';
import { allowsMediaType, type ManifestFacts } from './manifest-facts.ts';

/**
 * An edit that has not been stored yet. Its lookups return the entries of `base` with the changes applied. The cost of
 * a change does not depend on the number of entries. Unchanged entries stay the same objects, with the members that
 * mlist does not know.
 */
export class EntryEdit implements EntrySet, EntryChanges {
  readonly #base: EntrySet;
  /** Maps each replaced entry of the base to its replacement, and each removed entry to undefined. */
  readonly #changed = new Map<Entry, Entry | undefined>();
  /** Maps each replacement to the entry of the base that it replaces. */
  readonly #origins = new Map<Entry, Entry>();
  #added: readonly Entry[] = [];
  #dropped = new Set<Digest>();

  constructor(base: EntrySet) {
    this.#base = base;
  }

  get changed(): ReadonlyMap<Entry, Entry | undefined> {
    return this.#changed;
  }

  get added(): Entries {
    return this.#added;
  }

  get isEmpty(): boolean {
    return this.#changed.size === 0 && this.#added.length === 0;
  }

  /**
   * The digests of entries that were removed, or whose tag was moved to another digest or media type. Entries that
   * `correct` has changed are not included.
   */
  get dropped(): readonly Digest[] {
    return [...this.#dropped];
  }

  /** The entries before the edit. */
  get base(): EntrySet {
    return this.#base;
  }

  all(): Entries {
    const current = this.#base.all().flatMap((entry) => this.#currentOf(entry) ?? []);
    return [...current, ...this.#added];
  }

  tagged(tag: string): Entries {
    return this.#current(this.#base.tagged(tag), (entry) => tagOf(entry) === tag);
  }

  withDigest(digest: Digest): Entries {
    return this.#current(this.#base.withDigest(digest), (entry) => entry.descriptor.digest === digest);
  }

  /**
   * Creates the tag, or moves it to this content. An existing tag keeps its position in index.json. Other entries with
   * the tag, and minimal entries with the digest, are removed.
   */
  tag(descriptor: Descriptor, tag: string): void {
    const [first, ...others] = this.tagged(tag);
    const isUnchanged =
      first?.descriptor.digest === descriptor.digest && first.descriptor.mediaType === descriptor.mediaType;
    if (first === undefined) this.#append(entryOf(descriptor, tag));
    else if (!isUnchanged) this.#drop(first, entryOf(descriptor, tag));
    for (const entry of others) this.#drop(entry);
    this.removeMinimal([descriptor.digest]);
  }

  untag(tag: string): void {
    for (const entry of this.tagged(tag)) this.#drop(entry);
  }

  remove(digest: Digest): void {
    for (const entry of this.withDigest(digest)) this.#drop(entry);
  }

  /** Appends an entry without a tag, unless an entry with this digest exists. */
  addUntagged(descriptor: Descriptor): void {
    if (this.withDigest(descriptor.digest).length === 0) this.#append(entryOf(descriptor));
  }

  /** Appends a minimal entry, unless a minimal entry with this digest exists. */
  addMinimal(descriptor: Descriptor): void {
    if (!this.withDigest(descriptor.digest).some(isMinimal)) this.#append(entryOf(descriptor));
  }

  /** Removes the minimal entries with these digests. A manifest that an index lists does not need one. */
  removeMinimal(digests: Iterable<Digest>): void {
    for (const digest of digests) for (const entry of this.withDigest(digest)) if (isMinimal(entry)) this.#drop(entry);
  }

  /** Corrects the size of the entries with this digest, and their media type if it contradicts the bytes. */
  correct({ mediaType, digest, size }: Descriptor, facts: ManifestFacts | undefined): void {
    for (const entry of this.withDigest(digest)) {
      const { descriptor, json } = entry;
      const type = allowsMediaType(facts, descriptor.mediaType) ? descriptor.mediaType : mediaType;
      if (descriptor.size === size && descriptor.mediaType === type) continue;
      const members: JsonObject = { ...json, mediaType: type, size };
      this.#replace(entry, {
        descriptor: { ...descriptor, mediaType: type, size },
        json: jsonObject(memberNames(json).map((name) => [name, members[name]])),
      });
    }
  }

  /** Adds the changes of a later edit whose base is this edit. */
  apply({ changed, added }: EntryChanges): void {
    for (const [before, after] of changed) this.#replace(before, after);
    for (const entry of added) this.#append(entry);
  }

  #append(entry: Entry): void {
    this.#added = [...this.#added, entry];
  }

  #drop(entry: Entry, after?: Entry): void {
    this.#dropped.add(entry.descriptor.digest);
    this.#replace(entry, after);
  }

  #replace(entry: Entry, after: Entry | undefined): void {
    if (this.#added.includes(entry)) {
      this.#added = this.#added.flatMap((each) => (each === entry ? (after ?? []) : each));
      return;
    }
    const origin = this.#origins.get(entry) ?? entry;
    this.#origins.delete(entry);
    this.#changed.set(origin, after);
    if (after !== undefined) this.#origins.set(after, origin);
  }

  #currentOf(entry: Entry): Entry | undefined {
    return this.#changed.has(entry) ? this.#changed.get(entry) : entry;
  }

  #current(entries: Entries, matches: (entry: Entry) => boolean): Entries {
    if (this.isEmpty) return entries;
    const unchanged = entries.filter((entry) => !this.#changed.has(entry));
    return [...unchanged, ...[...this.#origins.keys(), ...this.#added].filter(matches)];
  }
}

/**
 * Returns the media types that index.json states for these digests, keyed by digest. If a digest has several entries,
 * the minimal one takes precedence, then the first one. Digests without an entry are left out.
 */
export function mediaTypesIn(entries: EntrySet, digests: Iterable<Digest>): ReadonlyMap<Digest, string> {
  const types = new Map<Digest, string>();
  for (const digest of digests) {
    const type = mediaTypeIn(entries.withDigest(digest));
    if (type !== undefined) types.set(digest, type);
  }
  return types;
}

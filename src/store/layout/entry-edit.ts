import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { jsonObject, memberNames, type JsonObject } from '../../json/json.ts';
import type { EntryChanges, EntrySet } from './entry-table.ts';
import { entryOf, isMinimal, mediaTypeIn, tagOf, type Entries, type Entry } from './index-entries.ts';
import { allowsMediaType, type ManifestFacts } from './manifest-facts.ts';

/**
 * An edit of the entries that has not been stored yet: the entries of `base` with its changes. Its cost depends on the
 * number of changes only. Members that mlist does not know are kept, and unchanged entries stay the same objects.
 */
export class EntryEdit implements EntrySet, EntryChanges {
  readonly #base: EntrySet;
  /** For each replaced entry of the base, its replacement; undefined for a removed entry. */
  readonly #changed = new Map<Entry, Entry | undefined>();
  /** For each replacement, the entry of the base. */
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
   * The digests of entries that were removed or moved to another digest. Corrections of media type or size do not
   * count.
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

  /** Moves the tag to this content. An existing tag keeps its position in index.json. */
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

  /** Appends an entry without a tag, unless the digest has an entry. */
  addUntagged(descriptor: Descriptor): void {
    if (this.withDigest(descriptor.digest).length === 0) this.#append(entryOf(descriptor));
  }

  /** Appends a minimal entry, unless the digest has one. */
  addMinimal(descriptor: Descriptor): void {
    if (!this.withDigest(descriptor.digest).some(isMinimal)) this.#append(entryOf(descriptor));
  }

  /** Removes the minimal entries of these digests: manifests that an index lists do not need an entry. */
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
 * The media types of these digests in index.json. If a digest has several entries, the minimal one counts, else the
 * first.
 */
export function mediaTypesIn(entries: EntrySet, digests: Iterable<Digest>): ReadonlyMap<Digest, string> {
  const types = new Map<Digest, string>();
  for (const digest of digests) {
    const type = mediaTypeIn(entries.withDigest(digest));
    if (type !== undefined) types.set(digest, type);
  }
  return types;
}

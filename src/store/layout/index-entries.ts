import { AnnotationKey, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { jsonObject, type JsonObject } from '../../json/json.ts';

/**
 * This file contains functions for the entries of index.json. Arrays and entries are never modified: a function that
 * changes entries returns an array in which the unchanged entries are the same objects.
 */

/** An entry of index.json. */
export interface Entry {
  /** Media type, digest, size and annotations. */
  readonly descriptor: Descriptor;
  /** The entry as in index.json, including the members that mlist does not know. */
  readonly json: JsonObject;
}

export type Entries = readonly Entry[];

export function descriptorsOf(entries: Entries): readonly Descriptor[] {
  return entries.map(({ descriptor }) => descriptor);
}

/** Returns the tag of an entry: the value of `org.opencontainers.image.ref.name` (image-spec v1.1.1 annotations.md). */
export function tagOf({ descriptor }: Entry): string | undefined {
  return descriptor.annotations?.[AnnotationKey.refName];
}

/**
 * Whether an entry has no members except media type, digest and size. mlist writes such entries for untagged manifests.
 */
export function isMinimal({ json }: Entry): boolean {
  return Object.keys(json).length === 3;
}

/** Creates an entry. Without a tag, the entry is minimal, and `extra` is ignored. */
export function entryOf({ mediaType, digest, size }: Descriptor, tag?: string, extra: Annotations = {}): Entry {
  const annotations = tag === undefined ? undefined : { ...extra, [AnnotationKey.refName]: tag };
  return {
    descriptor: { mediaType, digest, size, ...(annotations && { annotations }) },
    json: jsonObject([
      ['mediaType', mediaType],
      ['digest', digest],
      ['size', size],
      ['annotations', annotations],
    ]),
  };
}

/**
 * Creates the tag, or moves it to this content, and returns the new entries. An existing tag keeps its position in
 * index.json. Other entries with the tag, and minimal entries with the digest, are removed.
 * @param extra - further annotations for the entry of a created or moved tag
 */
export function withTag(entries: Entries, descriptor: Descriptor, tag: string, extra?: Annotations): Entries {
  const first = entries.find((entry) => tagOf(entry) === tag);
  const isUnchanged =
    first?.descriptor.digest === descriptor.digest && first.descriptor.mediaType === descriptor.mediaType;
  const entry = isUnchanged ? first : entryOf(descriptor, tag, extra);
  const placed = first === undefined ? [...entries, entry] : entries.map((each) => (each === first ? entry : each));
  const others = placed.filter((each) => each === entry || tagOf(each) !== tag);
  return withoutMinimalEntries(others, [descriptor.digest]);
}

/** Appends an entry without a tag, unless an entry with this digest exists. */
export function withUntaggedEntry(entries: Entries, descriptor: Descriptor): Entries {
  const exists = entries.some(({ descriptor: { digest } }) => digest === descriptor.digest);
  return exists ? entries : [...entries, entryOf(descriptor)];
}

/** Returns the entries except the minimal ones with these digests. */
function withoutMinimalEntries(entries: Entries, digests: Iterable<Digest>): Entries {
  const removed = new Set(digests);
  return entries.filter((entry) => !(removed.has(entry.descriptor.digest) && isMinimal(entry)));
}

/**
 * Returns the media type of entries that all have the same digest, or undefined if there are no entries. A minimal
 * entry takes precedence over the first entry.
 */
export function mediaTypeIn(entries: Entries): string | undefined {
  return (entries.find(isMinimal) ?? entries[0])?.descriptor.mediaType;
}

import { AnnotationKey, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { jsonObject, type JsonObject } from '../../json/json.ts';

/**
 * An entry of index.json. All functions in this file are pure. Members that mlist does not know are kept, and unchanged
 * entries stay the same objects.
 */
export interface Entry {
  /** Media type, digest, size and annotations. */
  readonly descriptor: Descriptor;
  /** The entry as in index.json, with all members. */
  readonly json: JsonObject;
}

export type Entries = readonly Entry[];

export function descriptorsOf(entries: Entries): readonly Descriptor[] {
  return entries.map(({ descriptor }) => descriptor);
}

/** The tag of an entry (image-spec v1.1.1 annotations.md, `org.opencontainers.image.ref.name`). */
export function tagOf({ descriptor }: Entry): string | undefined {
  return descriptor.annotations?.[AnnotationKey.refName];
}

/**
 * Whether an entry has no members except media type, digest and size. mlist writes such entries for untagged manifests.
 */
export function isMinimal({ json }: Entry): boolean {
  return Object.keys(json).length === 3;
}

/** Creates an entry. Without a tag, the entry is minimal. */
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
 * Moves the tag to this content. An existing tag keeps its position in index.json.
 * @param extra - annotations of a new entry in addition to the tag
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

/** Appends an entry without a tag, unless the digest has an entry. */
export function withUntaggedEntry(entries: Entries, descriptor: Descriptor): Entries {
  const exists = entries.some(({ descriptor: { digest } }) => digest === descriptor.digest);
  return exists ? entries : [...entries, entryOf(descriptor)];
}

/** Removes the minimal entries of these digests. */
function withoutMinimalEntries(entries: Entries, digests: Iterable<Digest>): Entries {
  const removed = new Set(digests);
  return entries.filter((entry) => !(removed.has(entry.descriptor.digest) && isMinimal(entry)));
}

/** The media type that these entries of one digest state: that of the minimal entry, else that of the first one. */
export function mediaTypeIn(entries: Entries): string | undefined {
  return (entries.find(isMinimal) ?? entries[0])?.descriptor.mediaType;
}

import { AnnotationKey, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { jsonObject, memberNames, type JsonObject } from '../../json/json.ts';
import { allowsMediaType, type ManifestFacts } from './manifest-facts.ts';

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

/** Whether an entry has no members except media type, digest and size. mlist writes such entries for untagged manifests. */
function isMinimal({ json }: Entry): boolean {
  return Object.keys(json).length === 3;
}

function entryOf({ mediaType, digest, size }: Descriptor, tag?: string, extra: Annotations = {}): Entry {
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
 * Moves the tag to this content. The position of an existing tag in the list stays the same.
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

export function withoutTag(entries: Entries, tag: string): Entries {
  return entries.filter((entry) => tagOf(entry) !== tag);
}

/** Appends an entry without a tag, unless the digest has an entry. */
export function withUntaggedEntry(entries: Entries, descriptor: Descriptor): Entries {
  const exists = entries.some(({ descriptor: { digest } }) => digest === descriptor.digest);
  return exists ? entries : [...entries, entryOf(descriptor)];
}

/** Appends a minimal entry, unless the digest has one. */
export function withMinimalEntry(entries: Entries, descriptor: Descriptor): Entries {
  const exists = entries.some((entry) => entry.descriptor.digest === descriptor.digest && isMinimal(entry));
  return exists ? entries : [...entries, entryOf(descriptor)];
}

/** Corrects the size of the entries with this digest, and their media type if the bytes do not allow it. */
export function withCorrectedDescriptors(
  entries: Entries,
  { mediaType, digest, size }: Descriptor,
  facts: ManifestFacts | undefined,
): Entries {
  return entries.map((entry) => {
    const { descriptor, json } = entry;
    if (descriptor.digest !== digest) return entry;
    const type = allowsMediaType(facts, descriptor.mediaType) ? descriptor.mediaType : mediaType;
    if (descriptor.size === size && descriptor.mediaType === type) return entry;
    const members: JsonObject = { ...json, mediaType: type, size };
    return {
      descriptor: { ...descriptor, mediaType: type, size },
      json: jsonObject(memberNames(json).map((name) => [name, members[name]])),
    };
  });
}

/** The media types of these digests in index.json: of the minimal entry, else of the first entry. */
export function mediaTypesIn(entries: Entries, digests: Iterable<Digest>): ReadonlyMap<Digest, string> {
  const requested = new Set(digests);
  const types = new Map<Digest, string>();
  for (const entry of entries) {
    const { digest, mediaType } = entry.descriptor;
    if (requested.has(digest) && (!types.has(digest) || isMinimal(entry))) types.set(digest, mediaType);
  }
  return types;
}

export function withoutDigest(entries: Entries, digest: Digest): Entries {
  return entries.filter(({ descriptor }) => descriptor.digest !== digest);
}

/** Removes the minimal entries of these digests: manifests that are listed by an index do not need one. */
export function withoutMinimalEntries(entries: Entries, digests: Iterable<Digest>): Entries {
  const removed = new Set(digests);
  return entries.filter((entry) => !(removed.has(entry.descriptor.digest) && isMinimal(entry)));
}

/** Whether the entries are unchanged: the same objects in the same order. */
export function sameEntries(left: Entries, right: Entries): boolean {
  return left.length === right.length && left.every((entry, position) => entry === right[position]);
}

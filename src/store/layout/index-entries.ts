import { AnnotationKey, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { jsonObject, memberNames, type JsonObject } from '../../json/json.ts';
import { allowsMediaType, type ManifestFacts } from './manifest-facts.ts';

/**
 * The entries of index.json and how they change; pure. An entry that another tool wrote keeps every member it has.
 * Entries that are not touched stay the same objects.
 */
export interface Entry {
  /** Media type, digest, size and annotations. */
  readonly descriptor: Descriptor;
  /** As it is written in index.json. */
  readonly json: JsonObject;
}

export type Entries = readonly Entry[];

/** The tag of an entry (image-spec v1.1.1 annotations.md, `org.opencontainers.image.ref.name`). */
export function tagOf({ descriptor }: Entry): string | undefined {
  return descriptor.annotations?.[AnnotationKey.refName];
}

/** An entry that says nothing beyond what identifies the content: mlist writes these for manifests without a tag. */
function isPlain({ json }: Entry): boolean {
  return Object.keys(json).length === 3;
}

function entryOf({ mediaType, digest, size }: Descriptor, tag?: string, more: Annotations = {}): Entry {
  const annotations = tag === undefined ? undefined : { ...more, [AnnotationKey.refName]: tag };
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
 * The tag names this content and nothing else; the place of the tag in the list stays.
 * @param more annotations of a new entry beside the tag
 */
export function withTag(entries: Entries, descriptor: Descriptor, tag: string, more?: Annotations): Entries {
  const old = entries.filter((entry) => tagOf(entry) === tag);
  const [first] = old;
  const isThere = first?.descriptor.digest === descriptor.digest && first.descriptor.mediaType === descriptor.mediaType;
  const entry = isThere ? first : entryOf(descriptor, tag, more);
  const placed = first === undefined ? [...entries, entry] : entries.map((each) => (each === first ? entry : each));
  const others = placed.filter((each) => each === entry || tagOf(each) !== tag);
  return withoutMinimalEntries(others, [descriptor.digest]);
}

export function withoutTag(entries: Entries, tag: string): Entries {
  return entries.filter((entry) => tagOf(entry) !== tag);
}

/** An entry without a tag, at the end. */
export function withUntaggedEntry(entries: Entries, descriptor: Descriptor): Entries {
  const isThere = entries.some(({ descriptor: { digest } }) => digest === descriptor.digest);
  return isThere ? entries : [...entries, entryOf(descriptor)];
}

/** A plain entry, at the end, unless the digest has one. */
export function withMinimalEntry(entries: Entries, descriptor: Descriptor): Entries {
  const isThere = entries.some((entry) => entry.descriptor.digest === descriptor.digest && isPlain(entry));
  return isThere ? entries : [...entries, entryOf(descriptor)];
}

/** The entries of this digest get its size, and its type where the bytes do not allow theirs. */
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

/** The media types that index.json gives these digests: that of the plain entry, else that of the first one. */
export function mediaTypesIn(entries: Entries, digests: Iterable<Digest>): ReadonlyMap<Digest, string> {
  const wanted = new Set(digests);
  const types = new Map<Digest, string>();
  for (const entry of entries) {
    const { digest, mediaType } = entry.descriptor;
    if (wanted.has(digest) && (!types.has(digest) || isPlain(entry))) types.set(digest, mediaType);
  }
  return types;
}

export function withoutDigest(entries: Entries, digest: Digest): Entries {
  return entries.filter(({ descriptor }) => descriptor.digest !== digest);
}

/** Without the plain entries of these digests: what an index lists needs no entry of its own. */
export function withoutMinimalEntries(entries: Entries, digests: Iterable<Digest>): Entries {
  const gone = new Set(digests);
  return entries.filter((entry) => !(gone.has(entry.descriptor.digest) && isPlain(entry)));
}

/** Whether nothing changed. */
export function sameEntries(left: Entries, right: Entries): boolean {
  return left.length === right.length && left.every((entry, position) => entry === right[position]);
}

import { errorCode } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import { kindOf } from '../../oci/manifest.ts';
import { isIndexType, isManifestType, MediaType } from '../../oci/media-type.ts';

/**
 * Facts about a manifest, read from its bytes. An index that lists the manifest may state another media type or size.
 */
export interface ManifestFacts {
  readonly size: number;
  /** The `mediaType` member, if it is a manifest or index type and the other members do not contradict it. */
  readonly stated?: string | undefined;
  /** The media type that the other members imply, if there is no `mediaType`. */
  readonly implied?: string | undefined;
  /** The entries of an index; empty for an image. */
  readonly manifests: readonly Descriptor[];
  /** The config and the layers of an image; empty for an index. */
  readonly blobs: readonly Digest[];
  readonly subject?: Descriptor | undefined;
  /**
   * The digests of all other descriptors in the document, such as the blobs of an artifact manifest or of an invalid
   * document.
   */
  readonly others: readonly Digest[];
}

/** Returns the facts about a manifest, or undefined if the bytes are not a JSON object. */
export function factsOf(bytes: Uint8Array): ManifestFacts | undefined {
  const document = ignoreInvalid(() => readDocument(bytes));
  if (document === undefined) return undefined;
  const { mediaType, fault } = kindOf(document);
  const known = fault === undefined ? mediaType : undefined;
  const isStated = document['mediaType'] !== undefined;
  // The members determine whether a document is an index, whatever its media type. If a descriptor is invalid, the
  // document has no children, and `others` contains all its digests.
  const isIndex = Array.isArray(document['manifests']);
  const children = ignoreInvalid(() => childrenIn(document, isIndex ? MediaType.ociIndex : MediaType.ociManifest));
  const [manifests, blobs] = [children?.manifests ?? [], children?.blobs.map(({ digest }) => digest) ?? []];
  const linked = new Set([...manifests.map(({ digest }) => digest), ...blobs, children?.subject?.digest]);
  return {
    size: bytes.length,
    ...(isStated ? { stated: known } : { implied: known }),
    manifests,
    blobs,
    subject: children?.subject,
    others: [...digestsIn(document)].filter((digest) => !linked.has(digest)),
  };
}

/** Yields the valid values of all `digest` members at any depth, also inside unknown members. */
function* digestsIn(value: Json): Generator<Digest> {
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) yield* digestsIn(item);
  } else if (isJsonObject(value)) {
    const { digest } = value;
    if (typeof digest === 'string' && isDigest(digest)) yield digest;
    for (const member of Object.values(value)) if (typeof member === 'object') yield* digestsIn(member);
  }
}

function ignoreInvalid<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errorCode(error) === 'ERR_MLIST_DOCUMENT_INVALID') return undefined;
    throw error;
  }
}

/** Returns the family of a media type: `index` for lists, `image` for other manifests, and `other` for all else. */
export function familyOf(mediaType: string): 'index' | 'image' | 'other' {
  if (isIndexType(mediaType)) return 'index';
  return isManifestType(mediaType) ? 'image' : 'other';
}

/**
 * Returns the media type of content that is fetched by digest: the type that its bytes state; else the type in
 * index.json, if the bytes allow it; else the type that its members imply; else `application/octet-stream`.
 * @param facts - undefined if the bytes cannot be read
 * @param listed - the type in index.json; undefined if no entry has the digest
 */
export function typeByDigest(facts: ManifestFacts | undefined, listed: string | undefined): string {
  if (facts?.stated !== undefined) return facts.stated;
  if (listed !== undefined && allowsMediaType(facts, listed)) return listed;
  return facts?.implied ?? listed ?? 'application/octet-stream';
}

/** Whether the bytes can be content of this media type. */
export function allowsMediaType(facts: ManifestFacts | undefined, mediaType: string): boolean {
  if (facts?.stated !== undefined) return facts.stated === mediaType;
  return facts?.implied === undefined || familyOf(facts.implied) === familyOf(mediaType);
}

import { errorCode } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import { kindOf } from '../../oci/manifest.ts';
import { isIndexType, isManifestType, MediaType } from '../../oci/media-type.ts';

/** Facts about a manifest, from its own bytes. A descriptor in an index may state something else. */
export interface ManifestFacts {
  readonly size: number;
  /** The `mediaType` member, if its value is the type of a manifest or index. */
  readonly stated?: string | undefined;
  /** The manifest type that the other members imply, if there is no `mediaType`. */
  readonly implied?: string | undefined;
  /** The entries of an index. */
  readonly manifests: readonly Descriptor[];
  /** The config and the layers of an image. */
  readonly blobs: readonly Digest[];
  readonly subject?: Descriptor | undefined;
  /**
   * The digests of all other descriptors in the document, such as the blobs of an artifact manifest or of an invalid
   * document.
   */
  readonly others: readonly Digest[];
}

/** The facts about a manifest; undefined if the bytes are not a JSON object. */
export function factsOf(bytes: Uint8Array): ManifestFacts | undefined {
  const document = ignoreInvalid(() => readDocument(bytes));
  if (document === undefined) return undefined;
  const { mediaType, fault } = kindOf(document);
  const known = fault === undefined ? mediaType : undefined;
  const isStated = document['mediaType'] !== undefined;
  // The members determine whether a document is an index, whatever its media type. A document with an invalid
  // descriptor has no children.
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

/** The digests of all descriptors in a document, including those in unknown members. */
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

/** The family of a media type. Only indexes and images are read for their children. */
export function familyOf(mediaType: string): 'index' | 'image' | 'other' {
  if (isIndexType(mediaType)) return 'index';
  return isManifestType(mediaType) ? 'image' : 'other';
}

/**
 * The media type of content that is fetched by digest: the one that its bytes state; else the one in index.json, if the
 * bytes allow it; else the one that its members imply.
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

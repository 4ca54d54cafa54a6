import { errorCode } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import { kindOf } from '../../oci/manifest.ts';
import { isIndexType, isManifestType, MediaType } from '../../oci/media-type.ts';

/** What the bytes of a manifest say. Whoever lists the manifest may say something else: that is only a claim. */
export interface ManifestFacts {
  readonly size: number;
  /** The manifest type that the `mediaType` member states. */
  readonly stated?: string | undefined;
  /** The manifest type of a document that states none, by its members. */
  readonly implied?: string | undefined;
  /** The entries of an index. */
  readonly manifests: readonly Descriptor[];
  /** The config and the layers of an image. */
  readonly blobs: readonly Digest[];
  readonly subject?: Descriptor | undefined;
}

/** What bytes say; undefined where they are not a JSON object. */
export function factsOf(bytes: Uint8Array): ManifestFacts | undefined {
  const document = ignoreInvalid(() => readDocument(bytes));
  if (document === undefined) return undefined;
  const { mediaType, fault } = kindOf(document);
  const known = fault === undefined ? mediaType : undefined;
  const isStated = document['mediaType'] !== undefined;
  // By the members alone. A document with a broken descriptor points at nothing.
  const isIndex = Array.isArray(document['manifests']);
  const links = ignoreInvalid(() => childrenIn(document, isIndex ? MediaType.ociIndex : MediaType.ociManifest));
  return {
    size: bytes.length,
    ...(isStated ? { stated: known } : { implied: known }),
    manifests: links?.manifests ?? [],
    blobs: links?.blobs.map(({ digest }) => digest) ?? [],
    subject: links?.subject,
  };
}

function ignoreInvalid<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errorCode(error) === 'ERR_MLIST_DOCUMENT_INVALID') return undefined;
    throw error;
  }
}

/** An index, an image manifest, or any other content: only the first two are read for what they point at. */
export function familyOf(mediaType: string): 'index' | 'image' | 'other' {
  if (isIndexType(mediaType)) return 'index';
  return isManifestType(mediaType) ? 'image' : 'other';
}

/**
 * The media type under which content answers by its digest: the one that its bytes state; else the one that index.json
 * gives it, if the bytes allow that; else the one that its members imply.
 * @param facts undefined where the bytes cannot be read
 * @param given the type in index.json; undefined where no entry has the digest
 */
export function typeByDigest(facts: ManifestFacts | undefined, given: string | undefined): string {
  if (facts?.stated !== undefined) return facts.stated;
  if (given !== undefined && allowsMediaType(facts, given)) return given;
  return facts?.implied ?? given ?? 'application/octet-stream';
}

/** Whether the bytes may be content of this type. */
export function allowsMediaType(facts: ManifestFacts | undefined, mediaType: string): boolean {
  if (facts?.stated !== undefined) return facts.stated === mediaType;
  return facts?.implied === undefined || familyOf(facts.implied) === familyOf(mediaType);
}

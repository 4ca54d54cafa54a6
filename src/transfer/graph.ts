import { errorCode, MlistError } from '../errors/errors.ts';
import type { CompositeStore, ManifestContent, ContentOptions, ContentReader, ReadStore } from '../store/store.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isJsonObject } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { subjectDigestIn, type Children } from '../oci/children.ts';
import { isForeignLayerType, isIndexType, isManifestType, isServedAsManifest } from '../oci/media-type.ts';
import { readChildren } from '../schema/documents.ts';
import { MissingContent } from './missing-content.ts';

/** A manifest with all its descendants. */
export interface ManifestNode {
  readonly content: ManifestContent;
  readonly source: ContentReader;
  /** The stores of the blobs that are not in `source`, keyed by the digest of the blob. */
  readonly elsewhere?: ReadonlyMap<Digest, ContentReader> | undefined;
  /** Config and layers; for an index, the entries that are not manifests. */
  readonly blobs: readonly Descriptor[];
  /**
   * Foreign layers, which are stored at their URLs and not copied (image-spec v1.1.1 layer.md "Non-Distributable
   * Layers"). Foreign layers without URLs are in `blobs`.
   */
  readonly foreign: readonly Descriptor[];
  /** The digest of the subject. The subject itself may be missing in the source and in the target. */
  readonly subject?: Digest | undefined;
  readonly children: readonly ManifestNode[];
}

export interface GraphOptions extends ContentOptions {
  /** Returns the bytes of a cached manifest; undefined if it is not cached. Default: no cache. */
  readonly cached?: ((digest: Digest) => Promise<Uint8Array | undefined>) | undefined;
}

/** The source of a graph. If it is a composite store, each node contains the stores that have its content. */
export type GraphSource = ContentReader & Partial<CompositeStore>;

/** Maximum nesting depth of indexes. Real lists are less deeply nested. */
export const MAX_DEPTH = 8;

/**
 * Reads a manifest and its descendants from the cache or the source. Siblings are read concurrently.
 * @throws MissingContent if the source does not have all entries of an index; the error lists all missing entries
 */
export async function readGraph(
  source: GraphSource,
  descriptor: Descriptor,
  options: GraphOptions = {},
): Promise<ManifestNode> {
  return read(source, descriptor, options, []);
}

/**
 * Like `readGraph`, for a manifest whose bytes are known, because they were read before or derived from another
 * manifest.
 */
export async function graphOfManifest(
  source: GraphSource,
  content: ManifestContent,
  options: GraphOptions = {},
): Promise<ManifestNode> {
  return readChildNodes(source, content, options, []);
}

/** Returns the children and blobs of an index or manifest; empty arrays for content of other types. */
export function childrenOfManifest({ descriptor, bytes }: ManifestContent, source: ContentReader): Children {
  const { mediaType, digest } = descriptor;
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return { manifests: [], blobs: [] };
  return readChildren(bytes, mediaType, `${source.location}@${digest}`);
}

/** Whether a layer is a foreign layer with URLs, which is not stored with its image. */
export function isForeignLayer({ mediaType, urls = [] }: Descriptor): boolean {
  return isForeignLayerType(mediaType) && urls.length > 0;
}

async function read(
  source: GraphSource,
  descriptor: Descriptor,
  options: GraphOptions,
  ancestors: readonly Digest[],
): Promise<ManifestNode> {
  if (ancestors.includes(descriptor.digest) || ancestors.length >= MAX_DEPTH) {
    const reference = `${source.location}@${descriptor.digest}`;
    throw new MlistError(
      'ERR_MLIST_DOCUMENT_INVALID',
      `${reference} contains itself, or is nested more than ${MAX_DEPTH} levels deep`,
      {
        reference,
      },
    );
  }
  return readChildNodes(source, await contentOf(source, descriptor, options), options, ancestors);
}

async function readChildNodes(
  source: GraphSource,
  content: ManifestContent,
  options: GraphOptions,
  ancestors: readonly Digest[],
): Promise<ManifestNode> {
  const { manifests, blobs } = childrenOfManifest(content, source);
  const allBlobs = [...blobs, ...manifests.filter(({ mediaType }) => !isServedAsManifest(mediaType))];
  const listed = manifests.filter(({ mediaType }) => isServedAsManifest(mediaType));
  const path = [...ancestors, content.descriptor.digest];
  const results = await Promise.allSettled(listed.map((entry) => read(source, entry, options, path)));
  const failures = listed.flatMap((entry, at): readonly Failure[] => {
    const result = results[at];
    return result?.status === 'rejected' ? [{ entry, thrown: result.reason }] : [];
  });
  if (failures.length > 0) throw failureOf(failures, content, source);
  const ownBlobs = allBlobs.filter((blob) => !isForeignLayer(blob));
  return {
    content,
    ...(await placesOf(source, content, ownBlobs, options)),
    blobs: ownBlobs,
    foreign: allBlobs.filter(isForeignLayer),
    children: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    subject: subjectOf(content.bytes),
  };
}

/** Finds the stores that have the blobs of a manifest, and returns them as members of its node. */
async function placesOf(
  source: GraphSource,
  { descriptor }: ManifestContent,
  blobs: readonly Descriptor[],
  { signal }: GraphOptions,
): Promise<Pick<ManifestNode, 'source' | 'elsewhere'>> {
  const holder = blobs.length === 0 ? undefined : await source.holderOf?.(descriptor, { signal });
  if (holder === undefined) return { source };
  const holders = (await source.blobHolders?.(blobs, holder, { signal })) ?? new Map<Digest, ReadStore>();
  const elsewhere = new Map([...holders].filter(([, store]) => store !== holder));
  return { source: holder, ...(elsewhere.size === 0 ? {} : { elsewhere }) };
}

interface Failure {
  readonly entry: Descriptor;
  readonly thrown: unknown;
}

/**
 * Combines several failures into one error: the first failure that is not about missing content or, if all are, an
 * error that lists all missing entries.
 */
function failureOf(failures: readonly Failure[], { descriptor }: ManifestContent, source: ContentReader): unknown {
  const other = failures.find(({ thrown }) => errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND');
  if (other !== undefined) return other.thrown;
  const missing = failures.map(
    ({ entry, thrown }) => [entry.digest, thrown instanceof MissingContent ? 'incomplete' : 'absent'] as const,
  );
  return new MissingContent(`${source.location}@${descriptor.digest}`, new Map(missing), failures[0]?.thrown);
}

/** Returns the digest of a manifest's subject; undefined if it has none. */
export function subjectOf(bytes: Uint8Array): Digest | undefined {
  const { value } = readJson(bytes);
  return isJsonObject(value) ? subjectDigestIn(value) : undefined;
}

async function contentOf(
  source: ContentReader,
  descriptor: Descriptor,
  { cached, signal }: GraphOptions,
): Promise<ManifestContent> {
  const bytes = await cached?.(descriptor.digest);
  if (bytes?.length === descriptor.size) return { descriptor, bytes };
  return source.fetchManifest(descriptor.digest, { expected: descriptor, signal });
}

import { errorCode, MlistError } from '../errors/errors.ts';
import type { ManifestContent, ContentOptions, ContentReader } from '../store/store.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { isJsonObject, type Json } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import type { Children } from '../oci/children.ts';
import { isForeignLayerType, isIndexType, isManifestType, isServedAsManifest } from '../oci/media-type.ts';
import { readChildren } from '../schema/documents.ts';
import { MissingContent } from './missing-content.ts';

/** A manifest with everything below it. */
export interface ManifestNode {
  readonly content: ManifestContent;
  readonly source: ContentReader;
  /** Config and layers; of an index the entries that are not manifests. */
  readonly blobs: readonly Descriptor[];
  /**
   * Layers that are stored at their urls (image-spec v1.1.1 layer.md "Non-Distributable Layers"), and not copied. One
   * without urls is copied.
   */
  readonly foreign: readonly Descriptor[];
  /** What the manifest refers to by its `subject`; it need not be in the source, nor in the target. */
  readonly subject?: Digest | undefined;
  readonly children: readonly ManifestNode[];
}

export interface GraphOptions extends ContentOptions {
  /** Bytes that are at hand already. */
  readonly cached?: ((digest: Digest) => Promise<Uint8Array | undefined>) | undefined;
}

/** How many indexes may be nested: more than in any list that was built on purpose. */
export const MAX_DEPTH = 8;

/**
 * Reads a manifest and all manifests below it, from the source or from what is at hand. What lies beside each other is
 * read at the same time.
 * @throws MissingContent for an index, with everything that the source does not have
 */
export async function readGraph(
  source: ContentReader,
  descriptor: Descriptor,
  options: GraphOptions = {},
): Promise<ManifestNode> {
  return read(source, descriptor, options, []);
}

/** The same of a manifest that is at hand: it was read before, or made of one of the source's. */
export async function graphOfManifest(
  source: ContentReader,
  content: ManifestContent,
  options: GraphOptions = {},
): Promise<ManifestNode> {
  return below(source, content, options, []);
}

/** What a manifest points at. Content of other types points at nothing. */
export function childrenOfManifest({ descriptor, bytes }: ManifestContent, source: ContentReader): Children {
  const { mediaType, digest } = descriptor;
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return { manifests: [], blobs: [] };
  return readChildren(bytes, mediaType, `${source.location}@${digest}`);
}

/** Whether a layer is stored at its urls, and not with its image. */
export function isForeignLayer({ mediaType, urls = [] }: Descriptor): boolean {
  return isForeignLayerType(mediaType) && urls.length > 0;
}

async function read(
  source: ContentReader,
  descriptor: Descriptor,
  options: GraphOptions,
  above: readonly Digest[],
): Promise<ManifestNode> {
  if (above.includes(descriptor.digest) || above.length >= MAX_DEPTH) {
    const reference = `${source.location}@${descriptor.digest}`;
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${reference} is listed inside itself, or too deep`, {
      reference,
    });
  }
  return below(source, await contentOf(source, descriptor, options), options, above);
}

async function below(
  source: ContentReader,
  content: ManifestContent,
  options: GraphOptions,
  above: readonly Digest[],
): Promise<ManifestNode> {
  const { manifests, blobs } = childrenOfManifest(content, source);
  const all = [...blobs, ...manifests.filter(({ mediaType }) => !isServedAsManifest(mediaType))];
  const listed = manifests.filter(({ mediaType }) => isServedAsManifest(mediaType));
  const way = [...above, content.descriptor.digest];
  const results = await Promise.allSettled(listed.map((entry) => read(source, entry, options, way)));
  const failures = listed.flatMap((entry, at): readonly Failure[] => {
    const result = results[at];
    return result?.status === 'rejected' ? [{ entry, thrown: result.reason }] : [];
  });
  if (failures.length > 0) throw failureOf(failures, content, source);
  return {
    content,
    source,
    blobs: all.filter((blob) => !isForeignLayer(blob)),
    foreign: all.filter(isForeignLayer),
    children: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    subject: subjectOf(content.bytes),
  };
}

interface Failure {
  readonly entry: Descriptor;
  readonly thrown: unknown;
}

/** All missing entries at once, if nothing else has failed. */
function failureOf(failures: readonly Failure[], { descriptor }: ManifestContent, source: ContentReader): unknown {
  const other = failures.find(({ thrown }) => errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND');
  if (other !== undefined) return other.thrown;
  const missing = failures.map(
    ({ entry, thrown }) => [entry.digest, thrown instanceof MissingContent ? 'incomplete' : 'absent'] as const,
  );
  return new MissingContent(`${source.location}@${descriptor.digest}`, new Map(missing), failures[0]?.thrown);
}

/** The subject of a manifest of any type, if it has one. */
export function subjectOf(bytes: Uint8Array): Digest | undefined {
  const digest = memberOf(memberOf(readJson(bytes).value, 'subject'), 'digest');
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
}

function memberOf(value: Json | undefined, name: string): Json | undefined {
  return isJsonObject(value) ? value[name] : undefined;
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

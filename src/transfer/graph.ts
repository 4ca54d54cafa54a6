import { MlistError } from '../errors.ts';
import type { Content, ContentOptions, ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isForeignLayerType, isIndexType, isManifestType } from '../oci/media-type.ts';
import { readIndex, readImageManifest } from '../schema/document.ts';

/** What hangs below a manifest. */
export interface ManifestNode {
  readonly content: Content;
  readonly source: ContentSource;
  /** Config and layers; layers that no registry holds are left out. */
  readonly blobs: readonly Descriptor[];
  readonly children: readonly ManifestNode[];
}

export interface GraphOptions extends ContentOptions {
  /** Bytes that are at hand already. */
  readonly cached?: ((digest: Digest) => Promise<Uint8Array | undefined>) | undefined;
}

/** Deeper than any list that somebody made on purpose. */
const MAX_DEPTH = 8;

/**
 * Reads a manifest and all manifests below it, from the source or from what is at hand. What lies beside each other is
 * read at the same time.
 */
export async function readGraph(
  source: ContentSource,
  descriptor: Descriptor,
  options: GraphOptions = {},
): Promise<ManifestNode> {
  return read(source, descriptor, options, []);
}

async function read(
  source: ContentSource,
  descriptor: Descriptor,
  options: GraphOptions,
  above: readonly Digest[],
): Promise<ManifestNode> {
  const subject = `${source.location}@${descriptor.digest}`;
  if (above.includes(descriptor.digest) || above.length >= MAX_DEPTH) {
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${subject} is listed inside itself, or too deep`, {
      reference: subject,
    });
  }
  const content = await contentOf(source, descriptor, options);
  const { mediaType } = content.descriptor;
  if (isIndexType(mediaType)) {
    const { manifests } = readIndex(content.bytes, mediaType, subject);
    const below = [...above, descriptor.digest];
    const children = await Promise.all(manifests.map((entry) => read(source, entry, options, below)));
    return { content, source, blobs: [], children };
  }
  if (!isManifestType(mediaType)) return { content, source, blobs: [], children: [] };
  const { config, layers } = readImageManifest(content.bytes, mediaType, subject);
  const blobs = [config, ...layers].filter((blob) => !isForeignLayerType(blob.mediaType));
  return { content, source, blobs, children: [] };
}

async function contentOf(
  source: ContentSource,
  descriptor: Descriptor,
  { cached, signal }: GraphOptions,
): Promise<Content> {
  const bytes = await cached?.(descriptor.digest);
  if (bytes?.length === descriptor.size) return { descriptor, bytes };
  return source.fetchManifest(descriptor.digest, { expected: descriptor, signal });
}

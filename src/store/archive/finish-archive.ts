import type { ManifestContent } from '../store.ts';
import { uniqueByDigest, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { childrenIn, readDocument, type Children } from '../../oci/children.ts';
import { isIndexType, isManifestType, MediaType } from '../../oci/media-type.ts';
import { factsOf } from '../layout/manifest-facts.ts';
import { formatIndex, FULL_BYTES, IndexFullError } from '../layout/index-document.ts';
import { descriptorsOf, withUntaggedEntry, type Entries } from '../layout/index-entries.ts';
import { dockerManifestJson, type ArchivedManifest } from './docker-manifest-json.ts';
import { DOCKER_MANIFEST_FILE, INDEX_FILE, type OciArchive } from './oci-archive.ts';
import { blobName } from './tar/tar-blobs.ts';
import type { TarWriter } from './tar/tar-writer.ts';

/** An archive that has all its new blobs, but no manifests and no index yet. */
export interface UnfinishedArchive {
  /** The location of the archive, for messages. */
  readonly location: string;
  readonly entries: Entries;
  /** Manifests that were put by digest. A manifest that nothing else lists gets an untagged entry in index.json. */
  readonly untagged: readonly Descriptor[];
  /** The manifests that were put, keyed by digest. */
  readonly manifests: ReadonlyMap<Digest, ManifestContent>;
  /** The sizes of the blobs that were put, in bytes, keyed by digest. */
  readonly written: ReadonlyMap<Digest, number>;
  /**
   * The archive to be replaced. Blobs and manifests that an entry refers to, directly or indirectly, are copied from
   * it.
   */
  readonly existing: OciArchive | undefined;
  /** `docker`: the archive has neither OCI manifests nor index.json. Default: an OCI archive. */
  readonly format?: 'oci' | 'docker' | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the last files of an archive: the existing blobs that are still referenced, the manifests, index.json and, if
 * the archive contains an image for `docker load`, manifest.json. With the format `docker`, the manifests and
 * index.json are left out. The blobs and manifests that this function writes are sorted by digest.
 */
export async function finishArchive(writer: TarWriter, archive: UnfinishedArchive): Promise<void> {
  const { existing, signal, written } = archive;
  const listed = await reachable(archive, descriptorsOf(archive.entries));
  const unlisted = archive.untagged.filter(({ digest }) => !listed.has(digest));
  const added = await reachable(archive, unlisted);
  const nested = new Set([...added.values()].flatMap(({ children }) => children.manifests.map(({ digest }) => digest)));
  const roots = unlisted.filter(({ digest }) => !nested.has(digest));
  const entries = roots.reduce((all, root) => withUntaggedEntry(all, root), archive.entries);
  const all = new Map([...listed, ...added]);
  // An index may list blobs among its manifests.
  const blobs = [...all.values()].flatMap(({ children }) => [...children.blobs, ...children.manifests]);
  const oldBlobs = byDigest(blobs).filter(({ digest }) => !written.has(digest) && !all.has(digest));
  for (const blob of oldBlobs) {
    if (existing?.hasBlob(blob) === true) {
      await writer.add(blobName(blob.digest), blob.size, existing.readBlob(blob, { signal }));
    }
  }
  const hasBlob = (blob: Descriptor) => written.has(blob.digest) || existing?.hasBlob(blob) === true;
  const isDocker = archive.format === 'docker';
  const list = dockerManifestJson(entries, all, hasBlob, isDocker ? 'full' : 'familiar');
  if (!isDocker) await addIndex(writer, archive.location, entries, all);
  if (list !== undefined) await writer.addBytes(DOCKER_MANIFEST_FILE, list);
}

/** Writes the manifests and the index of the archive. */
async function addIndex(
  writer: TarWriter,
  location: string,
  entries: Entries,
  all: ReadonlyMap<Digest, ArchivedManifest>,
): Promise<void> {
  const contents = [...all.values()].map(({ content }) => ({ ...content, digest: content.descriptor.digest }));
  for (const { digest, bytes } of byDigest(contents)) await writer.addBytes(blobName(digest), bytes);
  const document = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
  const index = Buffer.from(formatIndex({ document, entries }));
  if (index.length > FULL_BYTES) throw new IndexFullError(location);
  await writer.addBytes(INDEX_FILE, index);
}

/**
 * Reads the roots and all manifests that they list, directly or indirectly, and returns them keyed by digest. Missing
 * manifests are skipped, for example the images of platforms that were left out.
 */
async function reachable(
  { manifests, existing, signal }: UnfinishedArchive,
  roots: readonly Descriptor[],
): Promise<ReadonlyMap<Digest, ArchivedManifest>> {
  const manifestsByDigest = new Map<Digest, ArchivedManifest>();
  const stack = [...roots];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (manifestsByDigest.has(next.digest)) continue;
    const oldArchive = async () => ((await existing?.hasManifest(next.digest)) === true ? existing : undefined);
    const content = manifests.get(next.digest) ?? (await (await oldArchive())?.fetchManifest(next.digest, { signal }));
    if (content === undefined) continue;
    const children = childrenOf(content);
    manifestsByDigest.set(next.digest, { content, children });
    stack.push(...children.manifests);
  }
  return manifestsByDigest;
}

/**
 * Returns the children of a manifest. The media type in its bytes takes precedence over the one in its descriptor,
 * since a list may state a wrong one. Content that is not a manifest has no children.
 */
function childrenOf({ bytes, descriptor }: ManifestContent): Children {
  const mediaType = factsOf(bytes)?.stated ?? descriptor.mediaType;
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return { manifests: [], blobs: [] };
  return childrenIn(readDocument(bytes), mediaType);
}

/** Returns the items sorted by digest, without duplicates. */
function byDigest<T extends { readonly digest: Digest }>(items: readonly T[]): readonly T[] {
  return [...uniqueByDigest(items)].sort((left, right) => (left.digest < right.digest ? -1 : 1));
}

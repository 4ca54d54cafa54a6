import type { ManifestContent } from '../store.ts';
import { uniqueByDigest, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { childrenIn, readDocument, type Children } from '../../oci/children.ts';
import { isIndexType, isManifestType, MediaType } from '../../oci/media-type.ts';
import { factsOf } from '../layout/manifest-facts.ts';
import { formatIndex } from '../layout/index-document.ts';
import { withUntaggedEntry, type Entries } from '../layout/index-entries.ts';
import { dockerManifestJson, type ArchivedManifest } from './docker-manifest-json.ts';
import { DOCKER_MANIFEST_FILE, INDEX_FILE, type OciArchive } from './oci-archive.ts';
import { blobName } from './tar/tar-blobs.ts';
import type { TarWriter } from './tar/tar-writer.ts';

/** An archive whose new blobs are written, and that lacks the rest. */
export interface UnfinishedArchive {
  readonly entries: Entries;
  /** Manifests that were put by their digest: what no list holds gets an entry. */
  readonly plain: readonly Descriptor[];
  /** The new manifests. */
  readonly manifests: ReadonlyMap<Digest, ManifestContent>;
  /** The new blobs. */
  readonly written: ReadonlyMap<Digest, number>;
  /** The archive as it was: what is still named of it comes along. */
  readonly existing: OciArchive | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the end of an archive: blobs that it had before and still needs, manifests, each by the order of their digests;
 * the index; and, if it holds one image, docker's list. What nothing names any more stays out.
 */
export async function finishArchive(writer: TarWriter, archive: UnfinishedArchive): Promise<void> {
  const { existing, signal, written } = archive;
  const named = await reachable(archive, archive.entries.map(descriptorOf));
  const loose = archive.plain.filter(({ digest }) => !named.has(digest));
  const listed = await reachable(archive, loose);
  const children = new Set([...listed.values()].flatMap(({ links }) => links.manifests.map(({ digest }) => digest)));
  const roots = loose.filter(({ digest }) => !children.has(digest));
  const entries = roots.reduce((all, root) => withUntaggedEntry(all, root), archive.entries);
  const all = new Map([...named, ...listed]);
  // An index may list blobs.
  const blobs = [...all.values()].flatMap(({ links }) => [...links.blobs, ...links.manifests]);
  const kept = byDigest(blobs).filter(({ digest }) => !written.has(digest) && !all.has(digest));
  for (const blob of kept) {
    if (existing?.hasBlob(blob) === true) {
      await writer.add(blobName(blob.digest), blob.size, existing.readBlob(blob, { signal }));
    }
  }
  const contents = [...all.values()].map(({ content }) => ({ ...content, digest: content.descriptor.digest }));
  for (const { digest, bytes } of byDigest(contents)) await writer.addBytes(blobName(digest), bytes);
  const document = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
  await writer.addBytes(INDEX_FILE, Buffer.from(formatIndex({ document, entries })));
  const list = dockerManifestJson(entries, all);
  if (list !== undefined) await writer.addBytes(DOCKER_MANIFEST_FILE, list);
}

function descriptorOf({ descriptor }: Entries[number]): Descriptor {
  return descriptor;
}

/** All manifests from these roots on, by digest; one that is not there, as a platform that was not taken, is left out. */
async function reachable(
  { manifests, existing, signal }: UnfinishedArchive,
  roots: readonly Descriptor[],
): Promise<ReadonlyMap<Digest, ArchivedManifest>> {
  const found = new Map<Digest, ArchivedManifest>();
  const open = [...roots];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next.digest)) continue;
    const old = async () => ((await existing?.hasManifest(next.digest)) === true ? existing : undefined);
    const content = manifests.get(next.digest) ?? (await (await old())?.fetchManifest(next.digest, { signal }));
    if (content === undefined) continue;
    const links = linksIn(content);
    found.set(next.digest, { content, links });
    open.push(...links.manifests);
  }
  return found;
}

/** By what its bytes say: a list may claim another type. Content that is not a manifest points at nothing. */
function linksIn({ bytes, descriptor }: ManifestContent): Children {
  const mediaType = factsOf(bytes)?.stated ?? descriptor.mediaType;
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return { manifests: [], blobs: [] };
  return childrenIn(readDocument(bytes), mediaType);
}

/** Each once, in the order of their digests. */
function byDigest<T extends { readonly digest: Digest }>(items: readonly T[]): readonly T[] {
  return [...uniqueByDigest(items)].sort((left, right) => (left.digest < right.digest ? -1 : 1));
}

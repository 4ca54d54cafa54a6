import { isAttestationEntry, type Draft } from '../../draft/draft.ts';
import { entriesNamed } from '../../draft/entry-selection.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { nameIn, parseLocation } from '../../oci/location.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { readIndex } from '../../schema/documents.ts';
import type { ManifestContent, ContentOptions } from '../../store/store.ts';
import type { Stores } from '../../store/open.ts';

/**
 * Finds the entry that a MANIFEST argument refers to. If a list was read from a registry, the source of its entries is
 * the list, not the tags of the images. Therefore, a reference in the same registry is resolved, and its digest is
 * looked up in the list. If the reference is to an index, such as an image with its attestations, exactly one image of
 * this index must be in the list.
 * @returns the digest of an entry, or the argument itself if it already selects an entry or if not exactly one entry
 * was found
 */
export async function findInList(
  draft: Draft,
  manifest: string,
  { stores, signal }: ContentOptions & { readonly stores: Stores },
): Promise<string> {
  if (/^(?:sha256:)?[0-9a-f]{1,64}$/.test(manifest) || entriesNamed(draft, manifest).length > 0) return manifest;
  const location = parseLocation(manifest);
  if (location.kind !== 'registry' || location.reference.domain !== draft.list.domain) return manifest;
  const store = await stores.source(location, { signal });
  const content = await ignoreNotFound(store.fetchManifest(nameIn(location), { signal }));
  if (content === undefined) return manifest;
  const images = new Set<string>(draft.entries.flatMap((entry) => (isAttestationEntry(entry) ? [] : [entry.digest])));
  const [only, ...more] = digestsOf(content, manifest).filter((digest) => images.has(digest));
  return only === undefined || more.length > 0 ? manifest : only;
}

function digestsOf({ descriptor, bytes }: ManifestContent, manifest: string): readonly string[] {
  const { mediaType, digest } = descriptor;
  if (!isIndexType(mediaType)) return [digest];
  return [digest, ...readIndex(bytes, mediaType, manifest).manifests.map((entry) => entry.digest)];
}

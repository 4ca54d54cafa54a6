import { isAttestationEntry, type Draft } from '../../draft/draft.ts';
import { entriesNamed } from '../../draft/entry-selection.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { nameIn, parseLocation } from '../../oci/location.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { readIndex } from '../../schema/documents.ts';
import type { ManifestContent, ContentOptions } from '../../store/store.ts';
import type { Stores } from '../../store/open.ts';

/**
 * Resolves a MANIFEST argument in a list that was read from a registry. The source of such entries is the list, not the
 * tags of its images: a tag of the same registry is read, and its digest is looked up in the list. If the tag has an
 * index, as builds push it, exactly one of its images must be in the list.
 * @returns the digest of an entry; the argument itself if it names an entry already, or none
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

import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { readIndex } from '../../schema/documents.ts';
import { isInEngine } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { encodedContentOf, type ContentAccess, type LookupResult } from '../lookup.ts';
import { stateOf } from '../publish/find-missing.ts';

/** Whether an entry of an index is available in the location of the index. */
export interface Availability {
  readonly digest: Digest;
  /** False if the entry, or content below it, is missing. */
  readonly available: boolean;
}

/**
 * Checks which entries of an index exist in its location. In layouts and archives, an entry is available only if all
 * content below it exists, too. In engines, only the entries themselves are looked up, because an engine reports an
 * image as available only if it has all of its content. Registries are not checked, because that would take a request
 * for each entry.
 * @returns one element for each entry; undefined for single images, drafts and registries
 */
export async function availabilityOf(
  found: LookupResult,
  { stores, signal }: ContentAccess,
): Promise<readonly Availability[] | undefined> {
  if (found.from === 'draft' || found.from === 'registry') return undefined;
  const { descriptor, bytes } = encodedContentOf(found);
  if (!isIndexType(descriptor.mediaType)) return undefined;
  const store = await (await stores()).source(found.location, { signal });
  if (store.storedSize === undefined) return undefined;
  const isThere = async (entry: Descriptor): Promise<boolean> =>
    isInEngine(found.location)
      ? (await store.storedSize?.(entry.digest)) !== undefined
      : (await stateOf(entry, { store, signal })) === undefined;
  const { manifests } = readIndex(bytes, descriptor.mediaType, found.reference);
  return Promise.all(manifests.map(async (entry) => ({ digest: entry.digest, available: await isThere(entry) })));
}

import type { Draft } from '../draft/draft.ts';
import { encodeDraft, listOf, type EncodedList } from '../draft/to-list.ts';
import type { Digest } from '../oci/digest.ts';
import { sameJson } from '../json/json.ts';
import { formatLocation, type Location } from '../oci/location.ts';
import { readIndex } from '../schema/documents.ts';
import type { BlobCache } from '../store/cache.ts';
import type { Stores } from '../store/open.ts';

export interface BytesOptions {
  readonly cache: BlobCache;
  /** Opens the stores. Called only if the bytes are not in the cache. */
  readonly stores: () => Stores | Promise<Stores>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the encoded list of a draft. If the draft was created from a list and still has the same content, the list
 * has the original bytes, with their whitespace and member order.
 */
export async function listBytes(draft: Draft, options: BytesOptions): Promise<EncodedList> {
  const { base } = draft;
  if (base === undefined) return encodeDraft(draft);
  const bytes = await baseBytes(base.ref, base.digest, options);
  const document = readIndex(bytes, undefined, formatLocation(base.ref));
  if (!sameJson(document, listOf(draft))) return encodeDraft(draft);
  return { mediaType: document.mediaType, digest: base.digest, bytes };
}

async function baseBytes(ref: Location, digest: Digest, { cache, stores, signal }: BytesOptions): Promise<Uint8Array> {
  const known = await cache.get(digest);
  if (known !== undefined) return known;
  const store = await (await stores()).source(ref, { signal });
  const { bytes } = await store.fetchManifest(digest, { signal });
  await cache.put(bytes);
  return bytes;
}

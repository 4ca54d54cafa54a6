import type { ContentOptions, ReadStore } from '../store/store.ts';
import { uniqueByDigest, type Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import { referrersTag } from '../oci/referrers-tag.ts';
import { readIndex } from '../schema/documents.ts';
import { ignoreNotFound } from '../errors/not-found.ts';

/**
 * Lists the referrers of a manifest. In layouts and archives, which have no referrers API, clients may have listed
 * referrers in an index under the referrers tag, so the entries of this index are included (distribution-spec v1.1.1
 * "Referrers Tag Schema").
 */
export async function listReferrers(
  store: ReadStore,
  subject: Digest,
  options: ContentOptions,
): Promise<readonly Descriptor[]> {
  const byStore = (await store.referrers?.(subject, undefined, options)) ?? [];
  const hasFallback = store.referrers === undefined || store.supportsReferrers === undefined;
  const byTag = hasFallback ? await listedUnderTag(store, subject, options) : [];
  return uniqueByDigest([...byStore, ...byTag]);
}

async function listedUnderTag(
  store: ReadStore,
  subject: Digest,
  options: ContentOptions,
): Promise<readonly Descriptor[]> {
  const tag = referrersTag(subject);
  const content = await ignoreNotFound(store.fetchManifest(tag, options));
  if (content === undefined || !isIndexType(content.descriptor.mediaType)) return [];
  return readIndex(content.bytes, content.descriptor.mediaType, `${store.location}:${tag}`).manifests;
}

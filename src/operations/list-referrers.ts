import type { ContentOptions, ReadStore } from '../store/store.ts';
import { uniqueByDigest, type Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import { referrersTag } from '../oci/referrers-tag.ts';
import { readIndex } from '../schema/documents.ts';
import { ignoreNotFound } from '../errors/not-found.ts';

/**
 * The manifests that refer to one: what the store finds, and what the fallback tag lists where the store cannot find
 * them, or where somebody else may have put them there (distribution-spec v1.1.1 "Referrers Tag Schema").
 */
export async function listReferrers(
  store: ReadStore,
  subject: Digest,
  options: ContentOptions,
): Promise<readonly Descriptor[]> {
  const byHome = (await store.referrers?.(subject, undefined, options)) ?? [];
  const asksTag = store.referrers === undefined || store.supportsReferrers === undefined;
  const byTag = asksTag ? await listedUnderTag(store, subject, options) : [];
  return uniqueByDigest([...byHome, ...byTag]);
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

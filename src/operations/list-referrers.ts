import type { ContentOptions } from '../store/store.ts';
import { uniqueByDigest, type Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import { referrersTag } from '../oci/referrers-tag.ts';
import { readIndex } from '../schema/documents.ts';
import type { Home } from '../store/open.ts';
import { orAbsent } from '../errors/not-found.ts';

/**
 * The manifests that refer to one: what the home finds, and what the fallback tag lists where the home cannot find
 * them, or where somebody else may have put them there (distribution-spec v1.1.1 "Referrers Tag Schema").
 */
export async function referrersOf(
  home: Home,
  subject: Digest,
  options: ContentOptions,
): Promise<readonly Descriptor[]> {
  const byHome = (await home.referrers?.(subject, undefined, options)) ?? [];
  const asksTag = home.referrers === undefined || home.findsReferrers === undefined;
  const byTag = asksTag ? await listedUnderTag(home, subject, options) : [];
  return uniqueByDigest([...byHome, ...byTag]);
}

async function listedUnderTag(home: Home, subject: Digest, options: ContentOptions): Promise<readonly Descriptor[]> {
  const tag = referrersTag(subject);
  const content = await orAbsent(home.fetchManifest(tag, options));
  if (content === undefined || !isIndexType(content.descriptor.mediaType)) return [];
  return readIndex(content.bytes, content.descriptor.mediaType, `${home.location}:${tag}`).manifests;
}

import type { Descriptor } from '../../oci/descriptor.ts';
import { encodeImageIndex } from '../../oci/list-encoding.ts';
import { MediaType } from '../../oci/media-type.ts';
import { parseDigestParameter } from './requested-content.ts';
import { reply, type ServerExchange } from '../server-exchange.ts';

/** The maximum size of a page in bytes. It is below the manifest size limit of clients, which also applies to pages. */
const MAX_PAGE_BYTES = 3 * 1024 * 1024;

/**
 * GET of `/v2/<name>/referrers/<digest>` (distribution-spec v1.1.1 "Listing Referrers"). Returns an empty index if the
 * digest has no referrers, or if the digest or the repository does not exist.
 */
export async function listReferrers(exchange: ServerExchange): Promise<void> {
  const { service, name, lastSegment, query } = exchange;
  const subject = parseDigestParameter(lastSegment);
  const artifactType = query.get('artifactType') ?? undefined;
  const repository = await service.repositories.find(name);
  const all = (await repository?.referrers(subject, artifactType)) ?? [];
  const { page, next } = pageOf(all, query.get('last') ?? '');
  if (next !== undefined) query.set('last', next);
  const headers = {
    'content-type': MediaType.ociIndex,
    ...(artifactType === undefined ? {} : { 'oci-filters-applied': 'artifactType' }),
    ...(next === undefined ? {} : { link: `</v2/${name}/referrers/${subject}?${query.toString()}>; rel="next"` }),
  };
  reply(exchange, 200, headers, encodeImageIndex({ manifests: page }));
}

interface Page {
  readonly page: readonly Descriptor[];
  /** The last digest of this page; absent on the last page. */
  readonly next?: string;
}

/**
 * Returns the page after the digest `last`. Pages are sorted by digest, so that they stay consistent if referrers are
 * added or removed between two requests.
 */
function pageOf(all: readonly Descriptor[], last: string): Page {
  const remaining = all
    .filter(({ digest }) => digest > last)
    .sort((left, right) => (left.digest < right.digest ? -1 : 1));
  let bytes = 0;
  const pageLength = remaining.findIndex(
    (descriptor) => (bytes += encodeImageIndex({ manifests: [descriptor] }).length) > MAX_PAGE_BYTES,
  );
  if (pageLength < 0) return { page: remaining };
  const page = remaining.slice(0, Math.max(1, pageLength));
  const end = page.at(-1)?.digest;
  return page.length === remaining.length || end === undefined ? { page } : { page, next: end };
}

import type { Descriptor } from '../oci/descriptor.ts';
import { encodeImageIndex } from '../oci/list-encoding.ts';
import { MediaType } from '../oci/media-type.ts';
import { digestOfPath } from './blob-routes.ts';
import { reply, type ServerExchange } from './server-exchange.ts';

/** A page stays below what clients read of a manifest. */
const PAGE_BYTES = 3 * 1024 * 1024;

/**
 * GET of `/v2/<name>/referrers/<digest>` (distribution-spec v1.1.1 "Listing Referrers"): an index, also where nothing
 * refers to the digest, or there is no such digest or repository.
 */
export async function listReferrers(exchange: ServerExchange): Promise<void> {
  const { service, name, last, query } = exchange;
  const subject = digestOfPath(last);
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
  /** The last digest of this page, where there is another. */
  readonly next?: string;
}

/** Pages go by digest, so that they fit together also where something changes between them. */
function pageOf(all: readonly Descriptor[], last: string): Page {
  const rest = all.filter(({ digest }) => digest > last).sort((left, right) => (left.digest < right.digest ? -1 : 1));
  let bytes = 0;
  const fitting = rest.findIndex(
    (descriptor) => (bytes += encodeImageIndex({ manifests: [descriptor] }).length) > PAGE_BYTES,
  );
  if (fitting < 0) return { page: rest };
  const page = rest.slice(0, Math.max(1, fitting));
  const end = page.at(-1)?.digest;
  return page.length === rest.length || end === undefined ? { page } : { page, next: end };
}

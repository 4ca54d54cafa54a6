import { parseLocation } from '../../oci/location.ts';
import type { Plan } from '../../transfer/plan.ts';
import { isWorthAsking } from '../publish/large-blobs.ts';

/** The estimated number of requests that a push sends to one registry. */
export interface RegistryRequests {
  /** The host, with its port if it has one. */
  readonly registry: string;
  readonly count: number;
}

/**
 * Estimates the requests that the push of a plan sends to each registry. Requests for tokens, retries, redirects, and
 * uploads after a refused mount are not included.
 * @param reads - the number of entries that the push looks up at the target, plus the number of lists that it reads
 * there
 */
export function estimateRequests(plan: Plan, reads: number): readonly RegistryRequests[] {
  const counts = new Map<string, number>();
  const add = (location: string, count: number): void => {
    const { kind, ...parsed } = parseLocation(location);
    if (kind !== 'registry' || count === 0 || !('reference' in parsed)) return;
    const { domain } = parsed.reference;
    counts.set(domain, (counts.get(domain) ?? 0) + count);
  };
  const listed = new Set(plan.manifests.map(({ content }) => content.descriptor.digest));
  const { location } = plan.target;
  // Each tag is read, and then written.
  add(location, 2 * plan.root.names.length + plan.manifests.length + reads);
  for (const { action, blob, from } of plan.blobs) {
    if (action === 'mount') add(location, 1);
    else {
      // An upload is opened and then sent. A large blob is looked up before.
      add(location, isWorthAsking(blob) ? 3 : 2);
      add(from.location, 1);
    }
  }
  const known = plan.existing.filter((blob) => !listed.has(blob.digest) && isWorthAsking(blob));
  add(location, known.length);
  return [...counts].map(([registry, count]) => ({ registry, count }));
}

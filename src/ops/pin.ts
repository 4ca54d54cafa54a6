import { atDigest, formatLocation, parseLocation } from '../oci/location.ts';
import type { Resolved } from './resolve-source.ts';

/** A source by the digest that it had when it was read: however its tag moves, `create --amend` reads the same again. */
export function pinned(resolved: Resolved): Resolved {
  const digest = resolved.index?.content.descriptor.digest ?? resolved.entries[0]?.digest;
  // The entries of an index that the author gave have their digests for names already.
  if (digest === undefined || resolved.given !== undefined) return resolved;
  const source = formatLocation(atDigest(parseLocation(resolved.source), digest));
  return { ...resolved, source, entries: resolved.entries.map((entry) => ({ ...entry, source })) };
}

import { formatLocation, parseLocation, type Location } from '../oci/location.ts';
import type { Digest } from '../oci/digest.ts';
import { withDigest } from '../oci/reference.ts';
import type { Resolved } from './resolve-source.ts';

/** A source by the digest that it had when it was read: however its tag moves, `create --amend` reads the same again. */
export function pinned(resolved: Resolved): Resolved {
  const digest = resolved.index?.content.descriptor.digest ?? resolved.entries[0]?.digest;
  if (digest === undefined) return resolved;
  const source = formatLocation(atDigest(parseLocation(resolved.source), digest));
  return { ...resolved, source, entries: resolved.entries.map((entry) => ({ ...entry, source })) };
}

function atDigest(location: Location, digest: Digest): Location {
  if (location.kind === 'registry') return { ...location, reference: withDigest(location.reference, digest) };
  return { kind: location.kind, path: location.path, digest };
}

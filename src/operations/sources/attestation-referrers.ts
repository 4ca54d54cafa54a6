import { isAttestationEntry, type Entry } from '../../draft/draft.ts';
import { attestedDigest, AnnotationKey, bareDescriptor } from '../../oci/descriptor.ts';
import type { ContentOptions } from '../../store/store.ts';
import { parseLocation } from '../../oci/location.ts';
import { isManifestType } from '../../oci/media-type.ts';
import type { Home, Homes } from '../../store/open.ts';
import { referrersOf } from '../list-referrers.ts';
import type { Resolved } from './resolve-source.ts';

/** What BuildKit calls an attestation that refers to its image (docs/attestations/attestation-storage.md). */
const ATTESTATION_TYPE = 'application/vnd.docker.attestation.manifest.v1+json';

/**
 * The source with the attestations that refer to its images, each behind its image: for those that come without one. It
 * asks once for each such image, so that it is done only where somebody wants it.
 */
export async function withReferringAttestations(
  resolved: Resolved,
  { homes, signal }: ContentOptions & { readonly homes: Homes },
): Promise<Resolved> {
  const home = await homes.source(parseLocation(resolved.source), { signal });
  const attested = new Set(resolved.entries.map(({ attests }) => attests));
  const entries = await Promise.all(
    resolved.entries.map(async (entry) => {
      const isBare = isManifestType(entry.mediaType) && !isAttestationEntry(entry) && !attested.has(entry.digest);
      return isBare ? [entry, ...(await attestationsOf(entry, home, { signal }))] : [entry];
    }),
  );
  return { ...resolved, entries: entries.flat() };
}

async function attestationsOf(image: Entry, home: Home, options: ContentOptions): Promise<readonly Entry[]> {
  const found = (await referrersOf(home, image.digest, options)).filter(
    (one) => one.artifactType === ATTESTATION_TYPE || attestedDigest(one) === image.digest,
  );
  return found.map((descriptor) => ({
    source: image.source,
    ...(image.via === undefined ? {} : { via: image.via }),
    ...bareDescriptor(descriptor),
    detected: { architecture: 'unknown', os: 'unknown' },
    annotations: {
      [AnnotationKey.referenceDigest]: image.digest,
      [AnnotationKey.referenceType]: 'attestation-manifest',
    },
    attests: image.digest,
  }));
}

import { isAttestationEntry, isUnpushed, type Entry } from '../../draft/draft.ts';
import { attestedDigest, AnnotationKey, minimalDescriptor } from '../../oci/descriptor.ts';
import type { ContentOptions, ReadStore } from '../../store/store.ts';
import { isManifestType } from '../../oci/media-type.ts';
import type { Stores } from '../../store/open.ts';
import { listReferrers } from '../list-referrers.ts';
import type { Resolved } from './resolve-source.ts';

/**
 * Artifact type of BuildKit attestations that have their image as the subject (docs/attestations/attestation-storage.md
 * in BuildKit).
 */
const ATTESTATION_TYPE = 'application/vnd.docker.attestation.manifest.v1+json';

/**
 * Returns the source with additional attestations. For each image without attestations in the list, the attestations
 * among its referrers are inserted after the image. This takes at least one request per image, so it is done only if
 * the user requests it.
 */
export async function withReferringAttestations(
  resolved: Resolved,
  { stores, signal }: ContentOptions & { readonly stores: Stores },
): Promise<Resolved> {
  const store = await stores.source(resolved.source, { signal });
  const attested = new Set(resolved.entries.map(({ attests }) => attests));
  const entries = await Promise.all(
    resolved.entries.map(async (entry) => {
      const isBare =
        isManifestType(entry.mediaType) &&
        !isUnpushed(entry) &&
        !isAttestationEntry(entry) &&
        !attested.has(entry.digest);
      return isBare ? [entry, ...(await attestationsOf(entry, store, { signal }))] : [entry];
    }),
  );
  return { ...resolved, entries: entries.flat() };
}

async function attestationsOf(image: Entry, store: ReadStore, options: ContentOptions): Promise<readonly Entry[]> {
  const found = (await listReferrers(store, image.digest, options)).filter(
    (one) => one.artifactType === ATTESTATION_TYPE || attestedDigest(one) === image.digest,
  );
  return found.map((descriptor) => ({
    source: image.source,
    ...(image.via === undefined ? {} : { via: image.via }),
    ...minimalDescriptor(descriptor),
    detected: { architecture: 'unknown', os: 'unknown' },
    annotations: {
      [AnnotationKey.referenceDigest]: image.digest,
      [AnnotationKey.referenceType]: 'attestation-manifest',
    },
    attests: image.digest,
  }));
}

import { digestAlgorithm, digestEncoded, type Digest } from './digest.ts';

/** This module returns the tags under which tools store referrers if they do not use the referrers API. */

/**
 * Returns the tag of the index that lists the referrers of a manifest (distribution-spec v1.1.1 "Referrers Tag
 * Schema"), such as `sha256-<hex>`.
 */
export function referrersTag(digest: Digest): string {
  const allowed = (text: string) => text.replace(/[^A-Za-z0-9._-]/g, '-');
  return `${allowed(digestAlgorithm(digest)).slice(0, 32)}-${allowed(digestEncoded(digest)).slice(0, 64)}`;
}

/**
 * Suffixes of cosign's tags for signatures, attestations and SBOMs (cosign, specs/SIGNATURE_SPEC.md "Tag-based
 * Discovery").
 */
const SUFFIXES = ['sig', 'att', 'sbom'] as const;

/** Returns the tags under which cosign stores the signatures, attestations and SBOMs of a manifest. */
export function cosignTags(digest: Digest): readonly string[] {
  return SUFFIXES.map((suffix) => `${digestAlgorithm(digest)}-${digestEncoded(digest)}.${suffix}`);
}

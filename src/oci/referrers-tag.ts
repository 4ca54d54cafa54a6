import { digestAlgorithm, digestEncoded, type Digest } from './digest.ts';

/** Names under which registries without the referrers API keep what refers to a manifest. */

/**
 * The tag of the index that lists the referrers of a manifest (distribution-spec v1.1.1 "Referrers Tag Schema"):
 * `sha256-<hex>`.
 */
export function referrersTag(digest: Digest): string {
  const allowed = (text: string) => text.replace(/[^A-Za-z0-9._-]/g, '-');
  return `${allowed(digestAlgorithm(digest)).slice(0, 32)}-${allowed(digestEncoded(digest)).slice(0, 64)}`;
}

/** What cosign appends to that name for signatures, attestations and SBOMs (cosign, specs/SIGNATURE_SPEC.md "Tag-based Discovery"). */
const SUFFIXES = ['sig', 'att', 'sbom'] as const;

/** The tags that cosign hangs on a manifest. */
export function cosignTags(digest: Digest): readonly string[] {
  return SUFFIXES.map((suffix) => `${digestAlgorithm(digest)}-${digestEncoded(digest)}.${suffix}`);
}

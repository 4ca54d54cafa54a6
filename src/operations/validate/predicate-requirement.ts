import { MlistError } from '../../errors/errors.ts';

/** A kind of attestation that images must have: one value of `validate --require-attestation`. */
export interface PredicateRequirement {
  /** The requirement as the user typed it: `provenance`, `sbom`, or a predicate type. */
  readonly name: string;
  /**
   * The in-toto predicate types that meet the requirement. A version or path may follow them after a slash.
   */
  readonly types: readonly string[];
}

const kinds: Readonly<Record<string, readonly string[]>> = {
  provenance: ['https://slsa.dev/provenance'],
  sbom: ['https://spdx.dev/Document', 'https://cyclonedx.org/bom'],
};

/**
 * Parses `provenance` (SLSA), `sbom` (SPDX or CycloneDX), or a predicate type, which is a URI.
 * @throws MlistError `ERR_MLIST_USAGE` if the argument is not one of these
 */
export function parseRequirement(text: string): PredicateRequirement {
  const types = Object.hasOwn(kinds, text) ? kinds[text] : undefined;
  if (types !== undefined) return { name: text, types };
  if (/^[a-z][a-z0-9+.-]*:[^\s\p{Cc}]+$/iu.test(text)) return { name: text, types: [text] };
  throw new MlistError('ERR_MLIST_USAGE', `invalid attestation ${JSON.stringify(text)}`, {
    hint: 'Use provenance, sbom, or a predicate type such as https://slsa.dev/verification_summary/v1.',
  });
}

/**
 * Whether a predicate type meets a requirement. Whole path segments are compared: `https://slsa.dev/provenance` also
 * accepts `https://slsa.dev/provenance/v1`.
 */
export function meets(predicateType: string, { types }: PredicateRequirement): boolean {
  return types.some((type) => predicateType === type || predicateType.startsWith(`${type}/`));
}

import type { Problem } from '../../errors/errors.ts';
import { capped, hasErrors } from '../../schema/problems.ts';
import { AttestationCheck } from './attestation-check.ts';
import type { ContentContext, Roots } from './content-roots.ts';
import { DeepCheck } from './deep-check.ts';
import type { PredicateRequirement } from './predicate-requirement.ts';

/**
 * This file checks whether the content below a list exists and matches its descriptors, and whether its images have
 * attestations.
 */

/** Checks of the content below a document. By default, no content is checked. */
export interface ContentChecks {
  /** Check every manifest, config and layer. Default false. */
  readonly deep?: boolean | undefined;
  /** The attestations that each image must have. Default: none. */
  readonly requireAttestations?: readonly PredicateRequirement[] | undefined;
}

/** The amount of content that was checked, without the document itself. */
export interface Depth {
  readonly manifests: number;
  readonly blobs: number;
}

export interface ContentReport {
  readonly problems: readonly Problem[];
  /** The amount of content that was checked; only with `deep`. */
  readonly checked?: Depth;
}

export function needsContent({ deep, requireAttestations = [] }: ContentChecks): boolean {
  return deep === true || requireAttestations.length > 0;
}

/**
 * Checks the content below a document.
 * @param known - problems of the document itself, to which the new ones are added
 * @throws MlistError if a read fails for a reason other than missing or invalid content, such as a network error
 */
export async function checkContent(
  roots: Roots,
  known: readonly Problem[],
  { deep, requireAttestations = [] }: ContentChecks,
  { stores, signal }: ContentContext,
): Promise<ContentReport> {
  const { problems = [], ...checked } =
    deep === true ? await new DeepCheck(stores, { signal }).run(roots.manifests, roots.blobs) : {};
  const isUnreadable = roots.image === undefined && roots.manifests.length === 0 && hasErrors(known);
  const lacking =
    requireAttestations.length === 0 || isUnreadable
      ? []
      : await new AttestationCheck(requireAttestations, stores, { signal }).run(roots);
  const all = capped([...known, ...problems, ...lacking]);
  return { problems: all, ...('manifests' in checked ? { checked } : {}) };
}

import { MlistError, type Problem } from '../errors/errors.ts';
import type { Remedy } from '../errors/remedy.ts';
import { entryName } from '../oci/entry-name.ts';
import { pointerTo } from '../json/pointer.ts';
import { checkList, type RuleOptions } from '../schema/rules/list-rules.ts';
import { capped, error } from '../schema/problems.ts';
import { descriptorOf, listName, type Draft, type Entry } from './draft.ts';
import { formatOf, listOf, ociMembersOf } from './to-list.ts';

/** Checks the list of a draft. The JSON pointers of the problems refer to the list, not to the draft file. */
export function checkDraft(draft: Draft, options: RuleOptions = {}): readonly Problem[] {
  const onlyOci = formatOf(draft) === 'docker' ? [...beyondDocker(draft)] : [];
  return capped([...onlyOci, ...checkList(listOf(draft), options)]);
}

/** Returns the errors that only the Docker format causes. Empty if the draft is pushed as an OCI index. */
export function formatProblems(draft: Draft): readonly Problem[] {
  if (formatOf(draft) !== 'docker') return [];
  return checkDraft(draft).filter(({ rule, severity }) => severity === 'error' && formatRules.has(rule));
}

/** Rules that a Docker list can violate although an OCI index with the same entries does not. */
const formatRules = new Set(['E-MIX', 'W-ANNOT']);

/**
 * Refuses entries for unknown platforms, as with `--strict`.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` if an entry has an unknown platform, or a variant that no client selects
 */
export function requireKnownPlatforms(draft: Draft, entries: readonly Entry[]): void {
  const problems = checkDraft({ ...draft, entries }, { strict: true });
  const errors = problems.filter(({ rule, severity }) => severity === 'error' && strictRules.has(rule));
  if (errors.length === 0) return;
  const message = errors.map((problem) => problem.message).join('; ');
  throw new MlistError('ERR_MLIST_LIST_INVALID', message, { remedy: { kind: 'not-strict' } });
}

/** Rules that are errors only with `strict`. */
const strictRules = new Set(['W-PLAT-UNKNOWN', 'W-VARIANT']);

/** Returns the remedy for the problems that `formatProblems` finds: a push as an OCI index. */
export function convertToOci(draft: Draft): Remedy {
  return { kind: 'convert-to-oci', list: listName(draft) };
}

/**
 * Reports the members that only OCI indexes can have, for a draft in the Docker format. They are errors, because
 * dropping them silently would lose data.
 */
function* beyondDocker(draft: Draft): Iterable<Problem> {
  const only = 'allowed only in an OCI index, but the format is docker';
  for (const name of ociMembersOf(draft)) yield error('E-MIX', pointerTo(name), `${name} of the list: ${only}`);
  for (const [at, entry] of draft.entries.entries()) {
    const descriptor = descriptorOf(entry);
    for (const name of ['urls', 'data', 'artifactType'] as const) {
      if (descriptor[name] === undefined) continue;
      yield error('E-MIX', pointerTo('manifests', at, name), `${name} of ${entryName(descriptor)}: ${only}`);
    }
  }
}

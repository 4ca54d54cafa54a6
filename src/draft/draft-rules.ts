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

/** Why the draft cannot be pushed in its format; empty if it can. */
export function formatProblems(draft: Draft): readonly Problem[] {
  if (formatOf(draft) !== 'docker') return [];
  return checkDraft(draft).filter(({ rule, severity }) => severity === 'error' && formatRules.has(rule));
}

/** Rules that a Docker list can break although an OCI index with the same entries does not. */
const formatRules = new Set(['E-MIX', 'W-ANNOT']);

/**
 * Refuses entries for platforms that do not exist, or with variants that no client selects.
 * @throws MlistError `ERR_MLIST_LIST_INVALID`
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

/** The remedy for a draft that cannot be pushed in its format. */
export function convertToOci(draft: Draft): Remedy {
  return { kind: 'convert-to-oci', list: listName(draft) };
}

/**
 * Members of a draft in the Docker format that only OCI indexes can have. They are errors, because dropping them
 * silently would lose data.
 */
function* beyondDocker(draft: Draft): Iterable<Problem> {
  const only = 'only an OCI index can have it, and the format is docker';
  for (const name of ociMembersOf(draft)) yield error('E-MIX', pointerTo(name), `${name} of the list: ${only}`);
  for (const [at, entry] of draft.entries.entries()) {
    const descriptor = descriptorOf(entry);
    for (const name of ['urls', 'data', 'artifactType'] as const) {
      if (descriptor[name] === undefined) continue;
      yield error('E-MIX', pointerTo('manifests', at, name), `${name} of ${entryName(descriptor)}: ${only}`);
    }
  }
}

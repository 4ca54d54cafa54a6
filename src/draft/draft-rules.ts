import { MlistError, type Problem } from '../errors/errors.ts';
import { entryName } from '../oci/entry-name.ts';
import { pointerTo } from '../json/pointer.ts';
import { checkList, type RuleOptions } from '../schema/rules/list-rules.ts';
import { capped, error } from '../schema/problems.ts';
import { descriptorOf, type Draft, type Entry } from './draft.ts';
import { formatOf, listOf, ociMembersOf } from './to-list.ts';

/** What is wrong with the list that a draft stands for; the pointers are into the list, not into the draft's file. */
export function checkDraft(draft: Draft, options: RuleOptions = {}): readonly Problem[] {
  const tooMuch = formatOf(draft) === 'docker' ? [...beyondDocker(draft)] : [];
  return capped([...tooMuch, ...checkList(listOf(draft), options)]);
}

/** Why the draft cannot be a list of its format; empty where it can. */
export function formatProblems(draft: Draft): readonly Problem[] {
  if (formatOf(draft) !== 'docker') return [];
  return checkDraft(draft).filter(({ rule, severity }) => severity === 'error' && formatRules.has(rule));
}

/** Rules that a Docker list breaks and an OCI index with the same entries does not. */
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
  throw new MlistError('ERR_MLIST_LIST_INVALID', message, { hint: 'Leave out --strict to accept it.' });
}

/** Rules that refuse something only with `strict`. */
const strictRules = new Set(['W-PLAT-UNKNOWN', 'W-VARIANT']);

export function otherFormatHint({ list }: Draft): string {
  return `Push it as an OCI index with --format oci, or make it one with "mlist create --amend --format oci ${list}".`;
}

/** What a draft that is to be a Docker list holds, and a Docker list cannot. Nothing is dropped silently. */
function* beyondDocker(draft: Draft): Iterable<Problem> {
  const only = 'only an OCI index can hold it, and the format is docker';
  for (const name of ociMembersOf(draft)) yield error('E-MIX', pointerTo(name), `${name} of the list: ${only}`);
  for (const [at, entry] of draft.entries.entries()) {
    const descriptor = descriptorOf(entry);
    for (const name of ['urls', 'data', 'artifactType'] as const) {
      if (descriptor[name] === undefined) continue;
      yield error('E-MIX', pointerTo('manifests', at, name), `${name} of ${entryName(descriptor)}: ${only}`);
    }
  }
}

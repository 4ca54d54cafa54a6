import type { Problem } from '../errors.ts';
import { pointerTo } from '../oci/pointer.ts';
import { checkList, type RuleOptions } from '../schema/list-rules.ts';
import { capped, error } from '../schema/problems.ts';
import { descriptorOf, type Draft } from './draft.ts';
import { formatOf, listOf, ociMembersOf } from './list.ts';

/** What is wrong with the list that a draft stands for; the pointers are into the list, not into the draft's file. */
export function checkDraft(draft: Draft, options: RuleOptions = {}): readonly Problem[] {
  const tooMuch = formatOf(draft) === 'docker' ? [...beyondDocker(draft)] : [];
  return capped([...tooMuch, ...checkList(listOf(draft), options)]);
}

/** What a draft that is to be a Docker list holds, and a Docker list cannot. Nothing is dropped silently. */
function* beyondDocker(draft: Draft): Iterable<Problem> {
  const only = 'only an OCI index can hold it, and this draft has the format docker';
  for (const name of ociMembersOf(draft)) yield error('E-MIX', pointerTo(name), `${name}: ${only}`);
  for (const [at, entry] of draft.entries.entries()) {
    const descriptor = descriptorOf(entry);
    for (const name of ['urls', 'data', 'artifactType'] as const) {
      if (descriptor[name] !== undefined) yield error('E-MIX', pointerTo('manifests', at, name), `${name}: ${only}`);
    }
  }
}

import { parseListName } from '../../draft/file.ts';
import { asMlistError, SeveralErrors, type MlistError } from '../../errors.ts';
import { removeDraft } from '../../ops/drafts.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

/** Removes each draft that can be removed, and tells of all that cannot. */
export async function run(invocation: Invocation, { output, workspace, signal }: Context): Promise<number> {
  const removed: string[] = [];
  const errors: MlistError[] = [];
  for (const name of invocation.positionals) {
    try {
      removed.push(await removeDraft(workspace, parseListName(name), signal));
    } catch (thrown) {
      errors.push(asMlistError(thrown));
    }
  }
  if (output.json) output.document({ removed });
  else for (const name of removed) output.note(['removed ', 'red'], name);
  SeveralErrors.throwAny(errors);
  return 0;
}

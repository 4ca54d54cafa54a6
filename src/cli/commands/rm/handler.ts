import { parseListName } from '../../../draft/workspace/draft-file.ts';
import { asMlistError, SeveralErrors, type MlistError } from '../../../errors/errors.ts';
import { removeDraft } from '../../../operations/drafts/drafts.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** Removes each draft, and reports all that cannot be removed. */
export async function run(args: ParsedArguments, { output, workspace, signal }: Context): Promise<number> {
  const removed: string[] = [];
  const errors: MlistError[] = [];
  for (const name of args.positionals) {
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

import { parseListName } from '../../../draft/workspace/draft-file.ts';
import { asMlistError, SeveralErrors, type MlistError } from '../../../errors/errors.ts';
import { removeAllDrafts, removeDraft, type RemovedDrafts } from '../../../operations/drafts/drafts.ts';
import { missingArguments, usageError } from '../../args/parse-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** Removes drafts. Drafts that cannot be removed are reported after the others have been removed. */
export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { output } = context;
  const { removed, errors } = await (args.flag('all') ? removeAll(args, context) : removeNamed(args, context));
  if (output.json) output.document({ removed });
  else for (const name of removed) output.note(['removed ', 'red'], name);
  SeveralErrors.throwAny(errors);
  return 0;
}

async function removeNamed(args: ParsedArguments, { workspace, signal }: Context): Promise<RemovedDrafts> {
  if (args.positionals.length === 0) throw missingArguments(args.command, ['LIST']);
  const removed: string[] = [];
  const errors: MlistError[] = [];
  for (const name of args.positionals) {
    try {
      removed.push(await removeDraft(workspace, parseListName(name), signal));
    } catch (thrown) {
      errors.push(asMlistError(thrown));
    }
  }
  return { removed, errors };
}

async function removeAll(args: ParsedArguments, context: Context): Promise<RemovedDrafts> {
  const { output, workspace, signal, canAsk } = context;
  if (args.positionals.length > 0) throw usageError(args.command, '--all cannot be combined with the name of a list');
  const confirm = canAsk ? (names: readonly string[]) => confirmRemoval(names, context) : undefined;
  const result = await removeAllDrafts(workspace, { confirm, signal });
  if (result.removed.length === 0 && result.errors.length === 0) output.note('no draft was removed');
  return result;
}

async function confirmRemoval(names: readonly string[], { output, ask }: Context): Promise<boolean> {
  for (const name of names) output.note('draft ', name);
  const answer = await ask(`Remove ${names.length === 1 ? 'this draft' : `these ${names.length} drafts`}? [y/N] `);
  return /^y(?:es)?$/i.test(answer.trim());
}

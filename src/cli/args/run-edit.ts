import { MlistError } from '../../errors/errors.ts';
import { editDraft } from '../../operations/edit-target.ts';
import { pushOptions } from './list-options.ts';
import { optionalList } from './typed-arguments.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import type { Edit, Edited } from './push-edit.ts';

/**
 * Runs an edit on a draft. With `--push`, the edited list is pushed too; a list in a registry can then be edited
 * without a draft.
 * @param list - as typed; undefined selects the current draft
 */
export async function runEdit<T>(
  list: string | undefined,
  args: ParsedArguments,
  context: Context,
  edit: Edit<T>,
): Promise<Edited<T>> {
  if (args.flag('push')) return (await import('./push-edit.ts')).pushEdit(list, args, context, edit);
  refusePushOptions(args);
  return { edited: await edit(optionalList(list), editDraft(context)) };
}

/**
 * Refuses the options of a push without `--push`.
 * @param hint - for `--tag`, if its value is probably the name of the list
 * @throws MlistError `ERR_MLIST_USAGE`
 */
export function refusePushOptions(args: ParsedArguments, hint?: string): void {
  const name = pushOptions.find((option) => args.has(option.name))?.name;
  if (name === undefined) return;
  throw new MlistError('ERR_MLIST_USAGE', `--${name} needs --push`, name === 'tag' ? { hint } : {});
}

import { MlistError } from '../../errors/errors.ts';
import { editDraft } from '../../operations/edit-target.ts';
import { pushOptions } from './list-options.ts';
import { optionalList } from './typed-arguments.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import type { Edit, Edited } from './push-edit.ts';

/**
 * Runs an edit on a draft. With `--push` it also pushes the list, which then needs no draft.
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
 * @param hint - for `--tag`, if it probably names the list
 * @throws MlistError `ERR_MLIST_USAGE` if an option of a push is given without `--push`
 */
export function refusePushOptions(args: ParsedArguments, hint?: string): void {
  const name = pushOptions.find((option) => args.has(option.name))?.name;
  if (name === undefined) return;
  throw new MlistError('ERR_MLIST_USAGE', `--${name} needs --push`, name === 'tag' ? { hint } : {});
}

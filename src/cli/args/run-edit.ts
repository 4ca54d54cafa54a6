import { MlistError } from '../../errors/errors.ts';
import { editDraft } from '../../operations/edit-target.ts';
import { pushOptions } from './list-options.ts';
import { optionalList } from './typed-arguments.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import type { Edit, Edited } from './push-edit.ts';

/**
 * Edits a draft. With `--push`, the edited list is pushed too, and a list that has no draft, or that is given as
 * `docker://LIST`, is edited in its registry.
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
 * Refuses options that need `--push`. Called only if `--push` is not given.
 * @param hint - added if the option is `--tag`, because its value is then probably the list
 * @throws MlistError `ERR_MLIST_USAGE` if such an option is given
 */
export function refusePushOptions(args: ParsedArguments, hint?: string): void {
  const name = pushOptions.find((option) => args.has(option.name))?.name;
  if (name === undefined) return;
  throw new MlistError('ERR_MLIST_USAGE', `--${name} needs --push`, name === 'tag' ? { hint } : {});
}

import { MlistError } from '../../errors/errors.ts';
import { editDraft } from '../../operations/edit-place.ts';
import { optionalList } from './typed-arguments.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import type { Edit, Edited } from './push-edit.ts';

/** What commands that edit a draft share: with `--push` they edit and push in one go, also a list that is no draft. */

const needPush = ['tag', 'expect', 'replace-image', 'dry-run', 'allow-duplicates', 'allow-empty', 'check-signatures'];

/** @param list - as typed; undefined is the current draft */
export async function runEdit<T>(
  list: string | undefined,
  invocation: ParsedArguments,
  context: Context,
  edit: Edit<T>,
): Promise<Edited<T>> {
  if (invocation.flag('push')) return (await import('./push-edit.ts')).pushEdit(list, invocation, context, edit);
  refusePushOptions(invocation);
  return { edited: await edit(optionalList(list), editDraft(context)) };
}

/**
 * @param hint - for `--tag`, if it was probably meant as the list
 * @throws MlistError `ERR_MLIST_USAGE` if an option of a push is given without `--push`
 */
export function refusePushOptions(invocation: ParsedArguments, hint?: string): void {
  const [without] = needPush.filter((name) => invocation.has(name));
  if (without === undefined) return;
  throw new MlistError('ERR_MLIST_USAGE', `--${without} needs --push`, without === 'tag' ? { hint } : {});
}

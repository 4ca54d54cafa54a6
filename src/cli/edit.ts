import { MlistError } from '../index.ts';
import { optionalList } from './arguments.ts';
import type { Context } from './context.ts';
import type { Invocation, OptionSpec } from './language.ts';
import type { Edit, Edited } from './push-edit.ts';

/** What commands that edit a draft share: with `--push` they edit and push in one go, also a list that is no draft. */

const needPush = ['dry-run', 'allow-duplicates'];

export const pushingOptions: readonly OptionSpec[] = [
  {
    name: 'push',
    type: 'boolean',
    describe:
      'Push what comes of it at once; a list that is no draft is read from its registry, and leaves none behind',
  },
  { name: 'dry-run', type: 'boolean', describe: 'With --push: tell the plan and the digest, write nothing' },
  { name: 'allow-duplicates', type: 'boolean', describe: 'With --push: let two images have one platform' },
];

/** @param list - as typed; undefined is the current draft */
export async function runEdit<T>(
  list: string | undefined,
  invocation: Invocation,
  context: Context,
  edit: Edit<T>,
): Promise<Edited<T>> {
  if (invocation.flag('push')) return (await import('./push-edit.ts')).pushEdit(list, invocation, context, edit);
  const [without] = needPush.filter((name) => invocation.has(name));
  if (without !== undefined) throw new MlistError('ERR_MLIST_USAGE', `--${without} means nothing without --push`);
  return { edited: await edit(optionalList(list), context) };
}

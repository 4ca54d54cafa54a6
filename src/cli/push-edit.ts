import { editAndPush, type EditPlace, type Reference } from '../index.ts';
import type { Context } from './context.ts';
import type { Invocation } from './language.ts';
import { pushedDocument, tellPushed } from './render-push.ts';

export interface Edited<T> {
  readonly edited: T;
  /** With `--push`: what became of it, for programs (schemas/output/push.schema.json). */
  readonly pushed?: object;
}

export type Edit<T> = (list: Reference | undefined, place: EditPlace) => Promise<T>;

/** Loaded with `--push` only: editing a draft needs no code of registries. */
export async function pushEdit<T>(
  list: string | undefined,
  invocation: Invocation,
  context: Context,
  edit: Edit<T>,
): Promise<Required<Edited<T>>> {
  const { edited, pushed } = await editAndPush(list, edit, {
    workspace: context.workspace,
    homes: await context.homes(),
    dryRun: invocation.flag('dry-run'),
    allowDuplicates: invocation.flag('allow-duplicates'),
    allowEmpty: invocation.flag('allow-empty'),
    strict: invocation.flag('strict'),
    checkSignatures: invocation.flag('check-signatures'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  tellPushed(pushed, context);
  return { edited, pushed: pushedDocument(pushed, context) };
}

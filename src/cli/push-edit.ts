import type { Location } from '../oci/location.ts';
import type { Reference } from '../oci/reference.ts';
import { createAndPush, editAndPush } from '../ops/edit-and-push.ts';
import type { DraftPlace, EditPlace } from '../ops/edit-place.ts';
import type { PushOptions } from '../ops/push.ts';
import { typedName } from './arguments.ts';
import type { Context } from './context.ts';
import type { Invocation } from './language.ts';
import { readExpected } from './platform-words.ts';
import { pushedDocument, tellPushed } from './render-push.ts';
import { missingChoice } from './source-choices.ts';

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
  const { edited, pushed } = await editAndPush(list, edit, await pushOptions(invocation, context));
  tellPushed(pushed, context);
  return { edited, pushed: pushedDocument(pushed) };
}

/** The same for a list that is drafted by the command itself. */
export async function pushCreated<T>(
  list: Reference,
  invocation: Invocation,
  context: Context,
  make: (place: DraftPlace) => Promise<T>,
  { tags, sources }: { readonly tags: readonly string[]; readonly sources: readonly Location[] },
): Promise<Required<Edited<T>>> {
  const options = { ...(await pushOptions(invocation, context, tags)), sources, missing: missingChoice(invocation) };
  const { edited, pushed } = await createAndPush(list, make, options);
  tellPushed(pushed, context);
  return { edited, pushed: pushedDocument(pushed) };
}

async function pushOptions(
  invocation: Invocation,
  context: Context,
  tags: readonly string[] = [],
): Promise<PushOptions> {
  return {
    workspace: context.workspace,
    homes: await context.homes(),
    tags: [...invocation.texts('tag'), ...tags].map((text) => typedName(text, context)),
    ...readExpected(invocation.texts('expect')),
    replaceImage: invocation.flag('replace-image'),
    dryRun: invocation.flag('dry-run'),
    allowDuplicates: invocation.flag('allow-duplicates'),
    allowEmpty: invocation.flag('allow-empty'),
    strict: invocation.flag('strict'),
    checkSignatures: invocation.flag('check-signatures'),
    signal: context.signal,
    onEvent: context.onEvent,
  };
}

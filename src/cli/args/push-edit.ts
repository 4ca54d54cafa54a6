import type { Location } from '../../oci/location.ts';
import type { Reference } from '../../oci/reference.ts';
import { createAndPush, editAndPush } from '../../operations/edit/edit-and-push.ts';
import type { DraftTarget, EditTarget } from '../../operations/edit-target.ts';
import type { PushOptions } from '../../operations/push/push.ts';
import { typedName } from './typed-arguments.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { readExpected } from './platform-arguments.ts';
import { pushedDocument, reportPushed } from '../render/render-push.ts';
import { missingPolicy } from './source-choices.ts';

export interface Edited<T> {
  readonly edited: T;
  /** The result of `--push` as a JSON document (schemas/output/push.schema.json). */
  readonly pushed?: object;
}

export type Edit<T> = (list: Reference | undefined, place: EditTarget) => Promise<T>;

/**
 * Edits a list and pushes it. This file is loaded only with `--push`, because editing a draft needs no registry client.
 */
export async function pushEdit<T>(
  list: string | undefined,
  args: ParsedArguments,
  context: Context,
  edit: Edit<T>,
): Promise<Required<Edited<T>>> {
  const { edited, pushed } = await editAndPush(list, edit, await pushOptions(args, context));
  reportPushed(pushed, context);
  return { edited, pushed: pushedDocument(pushed) };
}

/** Creates a list and pushes it. Its draft is kept unless `--no-draft` or `--dry-run` is given. */
export async function pushCreated<T>(
  list: Reference,
  args: ParsedArguments,
  context: Context,
  make: (place: DraftTarget) => Promise<T>,
  { tags, sources }: { readonly tags: readonly string[]; readonly sources: readonly Location[] },
): Promise<Required<Edited<T>>> {
  const options = {
    ...(await pushOptions(args, context, tags)),
    sources,
    noDraft: args.flag('no-draft'),
    ...missingPolicy(args, context),
  };
  const { edited, pushed } = await createAndPush(list, make, options);
  reportPushed(pushed, context);
  return { edited, pushed: pushedDocument(pushed) };
}

async function pushOptions(
  args: ParsedArguments,
  context: Context,
  tags: readonly string[] = [],
): Promise<PushOptions> {
  return {
    workspace: context.workspace,
    stores: await context.stores(),
    tags: [...args.texts('tag'), ...tags].map((text) => typedName(text, context)),
    ...readExpected(args.texts('expect')),
    replaceImage: args.flag('replace-image'),
    dryRun: args.flag('dry-run'),
    allowDuplicates: args.flag('allow-duplicates'),
    allowEmpty: args.flag('allow-empty'),
    strict: args.flag('strict'),
    checkSignatures: args.flag('check-signatures'),
    signal: context.signal,
    onEvent: context.onEvent,
  };
}

import { asMlistError } from '../../errors/errors.ts';
import { isBasedOn, listName, type Draft } from '../../draft/draft.ts';
import type { EncodedList } from '../../draft/to-list.ts';
import { updateState, withoutDraft, withPush } from '../../draft/workspace/workspace-state.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import type { ContentOptions } from '../../store/store.ts';
import type { Reference } from '../../oci/reference.ts';
import type { OnEvent } from '../events.ts';
import type { Stores } from '../../store/open.ts';
import type { PushedTarget } from './push-target.ts';

/** What a push writes into the workspace. The list is published by then, so what cannot be written is a warning. */

export interface RecordOptions extends ContentOptions {
  readonly workspace: Workspace;
  readonly stores: Stores;
  /** Default true. Without it only the cache keeps the list. */
  readonly record?: boolean | undefined;
  readonly now?: (() => Date) | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/** Records what was pushed where, also what succeeded beside a failure; the list too, since its tags may be moved again. */
export async function recordPush(
  list: Reference,
  { digest, bytes }: EncodedList,
  pushed: readonly PushedTarget[],
  options: RecordOptions,
): Promise<void> {
  if (pushed.length === 0) return;
  await options.stores.cache.put(bytes);
  if (options.record === false) return;
  const push = { digest, at: (options.now?.() ?? new Date()).toISOString() };
  const recorded = updateState(options.workspace, (state) =>
    pushed.reduce((next, { reference }) => withPush(next, list, reference, push), state),
  );
  await orWarn(recorded, `cannot record in the workspace that ${digest} was pushed`, options);
}

/** Removes the draft, unless somebody has edited it meanwhile. */
export async function purgeDraft(stored: Draft, options: RecordOptions): Promise<boolean> {
  const name = listName(stored);
  const { workspace, signal, onEvent } = options;
  const removing = workspace.remove(stored.list, stored, { signal });
  const removed = await orWarn(removing, `cannot remove the draft ${name}`, options);
  if (removed === false)
    onEvent?.({ type: 'warning', message: `the draft ${name} was edited during the push, and is kept` });
  if (removed !== true) return false;
  const forgotten = updateState(workspace, (state) => withoutDraft(state, stored.list));
  await orWarn(forgotten, `cannot remove the record of the draft ${name}`, options);
  return true;
}

/** A draft of a remote list that was pushed there is based on what it pushed. */
export async function rebaseDraft(
  draft: Draft,
  { digest }: EncodedList,
  pushed: readonly PushedTarget[],
  options: RecordOptions,
): Promise<void> {
  const { workspace, record = true, signal } = options;
  const { base, list } = draft;
  if (!record || base === undefined || base.digest === digest) return;
  if (!pushed.some(({ reference }) => isBasedOn(draft, reference))) return;
  const rebased = workspace.update(
    list,
    (current) => (current?.base?.digest === base.digest ? { ...current, base: { ...base, digest } } : current),
    { signal },
  );
  const what = `cannot record in the draft ${listName(draft)} what it pushed; after an edit push it with "--if-digest ${digest}"`;
  await orWarn(rebased, what, options);
}

async function orWarn<T>(work: Promise<T>, what: string, { signal, onEvent }: RecordOptions): Promise<T | undefined> {
  try {
    return await work;
  } catch (thrown) {
    signal?.throwIfAborted();
    onEvent?.({ type: 'warning', message: `${what}: ${asMlistError(thrown).message}` });
    return undefined;
  }
}

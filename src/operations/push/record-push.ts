import { asMlistError } from '../../errors/errors.ts';
import { isBasedOn, listName, type Draft } from '../../draft/draft.ts';
import type { EncodedList } from '../../draft/to-list.ts';
import { updateState, withoutDraft, withPush } from '../../draft/workspace/workspace-state.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import type { ContentOptions } from '../../store/store.ts';
import type { Reference } from '../../oci/reference.ts';
import type { OnEvent } from '../events.ts';
import type { Stores } from '../../store/open.ts';
import { hasNewManifests, withPushedManifests } from './generate-manifests.ts';
import type { PushedTarget } from './push-target.ts';

/**
 * This file updates the workspace after a push. Failures are only warnings, because the list has already been
 * published.
 */

export interface RecordOptions extends ContentOptions {
  readonly workspace: Workspace;
  readonly stores: Stores;
  /** Record the pushed digest of each target. Default true. The list is cached in any case. */
  readonly record?: boolean | undefined;
  readonly now?: (() => Date) | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/**
 * Records the pushed digest of each successful target, even if other targets have failed, and caches the list, so that
 * it can still be read after its tags have moved.
 */
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

/**
 * Removes the draft, unless it was edited during the push.
 * @returns whether the draft was removed
 */
export async function purgeDraft(stored: Draft, options: RecordOptions): Promise<boolean> {
  const name = listName(stored);
  const { workspace, signal, onEvent } = options;
  const removing = workspace.remove(stored.list, stored, { signal });
  const removed = await orWarn(removing, `cannot remove the draft ${name}`, options);
  if (removed === false)
    onEvent?.({ type: 'warning', message: `the draft ${name} was edited during the push, and is kept` });
  if (removed !== true) return false;
  const recorded = updateState(workspace, (state) => withoutDraft(state, stored.list));
  await orWarn(recorded, `cannot remove the push records of the draft ${name} from the workspace`, options);
  return true;
}

/** If a draft was pushed to the tag from which it was created, makes the pushed list the base of the draft. */
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
  const next = `; after the next edit, push the draft with "--if-digest ${digest}"`;
  await orWarn(rebased, `cannot record the push in the draft ${listName(draft)}`, options, next);
}

/**
 * Records the manifests that were generated for engine images, so that the next push does not export the images again.
 */
export async function recordManifests(stored: Draft, pushed: Draft, options: RecordOptions): Promise<void> {
  const { workspace, record = true, signal } = options;
  if (!record || !hasNewManifests(stored, pushed)) return;
  const complete = (current: Draft | undefined) => current && withPushedManifests(current, pushed);
  const recorded = workspace.update(stored.list, complete, { signal });
  await orWarn(recorded, `cannot record the digests of the images in the draft ${listName(stored)}`, options);
}

async function orWarn<T>(
  work: Promise<T>,
  what: string,
  { signal, onEvent }: RecordOptions,
  next = '',
): Promise<T | undefined> {
  try {
    return await work;
  } catch (thrown) {
    signal?.throwIfAborted();
    onEvent?.({ type: 'warning', message: `${what}: ${asMlistError(thrown).message}${next}` });
    return undefined;
  }
}

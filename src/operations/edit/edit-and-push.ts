import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asMlistError, MlistError, withHint } from '../../errors/errors.ts';
import { listName, type Draft } from '../../draft/draft.ts';
import type { ManifestContent } from '../../store/store.ts';
import type { Index } from '../../oci/manifest.ts';
import { fromIndex, settledFormat } from '../create/create-draft.ts';
import { entryMembers } from '../sources/entry-members.ts';
import { parseListName } from '../../draft/workspace/draft-file.ts';
import { pushesOf, readState } from '../../draft/workspace/workspace-state.ts';
import { Workspace } from '../../draft/workspace/workspace.ts';
import { isLocalLocation, type Location } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { readIndex } from '../../schema/documents.ts';
import { editDraft, type DraftEdit, type DraftTarget, type EditTarget } from '../edit-target.ts';
import type { MissingPolicy } from '../publish/fill.ts';
import { afterMissing } from '../publish/missing-images.ts';
import { findInList } from '../sources/named-in-list.ts';
import { push, type Pushed, type PushOptions } from '../push/push.ts';
import { findDraft } from '../lookup.ts';
import { deduplicateEvents, type OnEvent } from '../events.ts';
import { isTagUsed, prefetchTagStates } from '../publish/tag-state.ts';
import { targetsOf } from '../publish/target.ts';

export interface EditedAndPushed<T> {
  readonly edited: T;
  readonly pushed: Pushed;
  /** Which list was edited: the draft in the workspace, or the list in the registry. */
  readonly from: 'draft' | 'registry';
}

/**
 * Edits a list and pushes it. If the list has a draft, the draft is edited and kept. Otherwise, the list is read from
 * its registry into a draft in a temporary workspace, and events of the edit are held back until the push emits its
 * first event or completes. With `dryRun`, drafts of the workspace are not changed.
 * @param name - the name as typed. With `docker://`, it refers to the registry even if a draft exists; undefined refers
 * to the current draft
 * @throws MlistError `ERR_MLIST_CONFLICT` if the tag has moved since it was read; the errors of the edit and the push
 */
export async function editAndPush<T>(
  name: string | undefined,
  edit: DraftEdit<T>,
  options: PushOptions,
): Promise<EditedAndPushed<T>> {
  const { workspace, dryRun = false } = options;
  // The edit and the push may report the same warnings.
  const onEvent = deduplicateEvents(options.onEvent, ['warning']);
  const reporting = { ...options, onEvent };
  if (name !== undefined && isLocalLocation(name)) throw notInRegistry(name);
  const draft = await findDraft(name, workspace);
  const from = draft === undefined ? 'registry' : 'draft';
  const list = draft?.list ?? parseListName(name ?? '');
  const targets = targetsOf(list, options.tags ?? [], options.to ?? []);
  options.stores.expect({ later: targets.map(({ location }) => location) });
  onEvent({ type: 'from', from, reference: formatReference(list) });
  const start = draft ?? (await remoteDraft(list, reporting));
  const namedEdit: DraftEdit<T> = (edited, place) =>
    edit(edited, { ...place, resolveManifest: (manifest) => findInList(start, manifest, reporting) });
  if (draft !== undefined && !dryRun)
    return { from, ...(await inPlace(list, namedEdit, editDraft(reporting), reporting)) };
  const hint = `Remove missing images with "mlist remove docker://${listName(start)} DIGEST... --push".`;
  const temporary = draft === undefined ? { ...reporting, afterMissing: { hint } } : reporting;
  const done = withWorkspaceOf(start, (options) => editTemporary(list, namedEdit, options), temporary);
  return { from, ...(await (draft === undefined ? done.catch(withHintForConflict(EDIT_AGAIN)) : done)) };
}

/**
 * Returns an error handler for pushes without a draft. It replaces the hint of a conflict error, because this hint
 * suggests amending the draft. Errors with a remedy are not changed.
 */
function withHintForConflict(hint: string): (thrown: unknown) => never {
  return (thrown) => {
    const isConflict = thrown instanceof MlistError && thrown.code === 'ERR_MLIST_CONFLICT';
    throw isConflict && thrown.facts.remedy === undefined ? withHint(thrown, hint) : thrown;
  };
}

const EDIT_AGAIN = 'Run the same command again to edit the current list.';
const CREATE_AGAIN = 'Run the same command again to start from the current content of the tag.';

/**
 * Edits and pushes in a temporary workspace. Events of the edit are held back until the push emits its first event or
 * completes, so that an edit that is discarded is not reported.
 */
async function editTemporary<T>(
  list: Reference,
  edit: DraftEdit<T>,
  options: PushOptions,
): Promise<Pick<EditedAndPushed<T>, 'edited' | 'pushed'>> {
  const waiting: (() => void)[] = [];
  const release = () => {
    for (const report of waiting.splice(0)) report();
  };
  const { onEvent } = options;
  const whenAccepted = (report: () => void) => void waiting.push(report);
  const place: EditTarget = {
    ...editDraft(options),
    onEvent: (event) => whenAccepted(() => onEvent?.(event)),
    whenAccepted,
  };
  const pushing: OnEvent = (event) => {
    release();
    onEvent?.(event);
  };
  const done = await inPlace(list, edit, place, { ...options, onEvent: pushing });
  release();
  return done;
}

export interface CreateAndPushOptions extends PushOptions, MissingPolicy {
  /** The sources of the list, if they are known before the draft is created. */
  readonly sources?: readonly Location[] | undefined;
  /** Ignore an existing draft of the list, and do not write one. Default false. */
  readonly noDraft?: boolean | undefined;
}

/**
 * Creates or amends a draft and pushes it. With `dryRun` or `noDraft`, neither drafts nor the state of the workspace
 * change.
 * @throws MlistError the errors of `create` and of the push. If the push fails, a draft that was written is kept and
 * can be pushed again
 */
export async function createAndPush<T>(
  list: Reference,
  create: (place: DraftTarget) => Promise<T>,
  { sources = [], missing, noDraft = false, ...options }: CreateAndPushOptions,
): Promise<Omit<EditedAndPushed<T>, 'from'>> {
  const { workspace, stores, dryRun = false } = options;
  stores.registries.expect([{ reference: list, push: !dryRun }]);
  const targets = targetsOf(list, options.tags ?? [], options.to ?? []);
  stores.expect({ later: targets.map(({ location }) => location), read: sources });
  const pushes = noDraft ? undefined : pushesOf(await readState(workspace), list);
  const prefetched = prefetchTagStates(targets, sources, {
    ...options,
    isLate: (reference) => isTagUsed(reference, pushes, options),
  });
  const isMissingChosen = missing !== undefined && missing !== 'refuse';
  const missingStep = isMissingChosen || noDraft ? { afterMissing: afterMissing(missing) } : {};
  const onEvent = deduplicateEvents(options.onEvent, ['warning', 'origin']);
  const reporting = { ...options, ...missingStep, prefetched, onEvent };
  const both = async (place: PushOptions) => ({ edited: await create(place), pushed: await push(list, place) });
  if (noDraft) return withWorkspaceOf(undefined, both, reporting).catch(withHintForConflict(CREATE_AGAIN));
  if (!dryRun) return both(reporting);
  return withWorkspaceOf(await workspace.find(list), both, reporting);
}

async function inPlace<T>(
  list: Reference,
  edit: DraftEdit<T>,
  place: EditTarget,
  options: PushOptions,
): Promise<Pick<EditedAndPushed<T>, 'edited' | 'pushed'>> {
  const edited = await edit(list, place);
  const emptyHint = `Push the empty list with --allow-empty, or delete the tag with "mlist delete ${formatReference(list)}".`;
  return { edited, pushed: await push(list, { ...options, emptyHint }) };
}

/** Runs `work` in a temporary workspace that contains only the given draft, or no draft. */
async function withWorkspaceOf<T>(
  draft: Draft | undefined,
  work: (options: PushOptions) => Promise<T>,
  options: PushOptions,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `mlist-edit-${process.pid}-`));
  try {
    const workspace = new Workspace(join(folder, 'workspace'), { guard: options.workspace.guard });
    if (draft !== undefined) await workspace.update(draft.list, () => draft, { signal: options.signal });
    return await work({ ...options, workspace, record: false });
  } finally {
    await rm(folder, { recursive: true, force: true }).catch((thrown: unknown) => {
      options.onEvent?.({
        type: 'warning',
        message: `cannot remove the temporary folder ${folder}: ${asMlistError(thrown).message}`,
      });
    });
  }
}

/**
 * Creates a draft from the list in the registry.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the tag does not exist; `ERR_MLIST_LIST_INVALID` if it refers to a single
 * image
 */
async function remoteDraft(list: Reference, { stores, signal }: PushOptions): Promise<Draft> {
  const name = formatReference(list);
  stores.registries.expect([{ reference: list, push: true }]);
  const location: Location = { kind: 'registry', reference: list, explicit: true };
  const { store, name: tag } = await stores.resolveLocation(location, { signal });
  const content = await store.fetchManifest(tag, { signal }).catch((thrown: unknown) => {
    throw thrown instanceof MlistError && thrown.code === 'ERR_MLIST_NOT_FOUND' ? noList(thrown, name) : thrown;
  });
  if (!isIndexType(content.descriptor.mediaType)) {
    throw new MlistError('ERR_MLIST_LIST_INVALID', `${name} is a single image, not a list`, {
      reference: name,
      hint: `Create a list from it with "mlist create ${name} ${name}@${content.descriptor.digest}", edit the list, and push it.`,
    });
  }
  await stores.cache.put(content.bytes);
  return draftOfList(list, readIndex(content.bytes, content.descriptor.mediaType, name), content);
}

function noList(error: MlistError, name: string): MlistError {
  const hint =
    `Check the spelling. To create the list, use "mlist create ${name} IMAGE" and "mlist push". ` +
    '"mlist join" also works if the list does not exist yet.';
  return withHint(error, hint);
}

function notInRegistry(name: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `cannot edit ${name} in place: it is not in a registry`, {
    hint: `Create a draft with "mlist create LIST ${name}", edit it, and write it with "mlist push --to LOCATION".`,
  });
}

/**
 * Creates a draft from a list in a registry. Its images are not read, nested indexes stay entries, and unknown members
 * are kept. If the draft is not edited, it is pushed with the same bytes.
 */
function draftOfList(list: Reference, document: Index, content: ManifestContent): Draft {
  const source: Location = { kind: 'registry', reference: list, explicit: true };
  const draft: Draft = {
    ...fromIndex(list, { source, index: { document, content } }),
    entries: document.manifests.map((entry) => ({ source, via: content.descriptor.digest, ...entryMembers(entry) })),
  };
  return { ...draft, format: settledFormat(draft) };
}

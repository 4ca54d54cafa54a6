import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asMlistError, MlistError, withHint } from '../../errors/errors.ts';
import { listName, type Draft } from '../../draft/draft.ts';
import type { Content } from '../../store/store.ts';
import type { Index } from '../../oci/manifest.ts';
import { fromIndex, settledFormat } from '../create/create-draft.ts';
import { entryMembers } from '../sources/entry-members.ts';
import { parseListName } from '../../draft/workspace/draft-file.ts';
import { pushesOf, readState } from '../../draft/workspace/workspace-state.ts';
import { Workspace } from '../../draft/workspace/workspace.ts';
import { isFileLocation, parseLocation, type Location } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { readIndex } from '../../schema/documents.ts';
import { currentList } from '../current-draft.ts';
import { editDraft, type DraftEdit, type DraftTarget, type EditTarget } from '../edit-place.ts';
import type { MissingChoice } from '../publish/find-missing.ts';
import { missingHint } from '../publish/missing-images.ts';
import { findInList } from '../sources/named-in-list.ts';
import { push, type Pushed, type PushOptions } from '../push/push.ts';
import { listIn } from '../lookup.ts';
import { deduplicateEvents, type OnEvent } from '../events.ts';
import { isTagUsed, readTagStatesEarly } from '../publish/tag-state.ts';
import { targetsOf } from '../publish/target.ts';

export interface EditedAndPushed<T> {
  /** What the edit gave. */
  readonly edited: T;
  readonly pushed: Pushed;
  /** Whether a draft of the workspace was edited, or the list in the registry. */
  readonly from: 'draft' | 'registry';
}

/**
 * Edits a list and pushes it in one go. A draft of that name is edited and stays; where there is none, the list is read
 * from its registry into a draft that nobody else sees and that is gone afterwards. With `dryRun` a draft of the
 * workspace is not changed either. Of an edit that is undone where the push is refused nothing is told before.
 * @param name - as typed: `docker://` means the registry even where there is a draft; undefined is the current draft
 * @throws MlistError `ERR_MLIST_CONFLICT` where the tag has moved since it was read; what the edit and the push throw
 */
export async function editAndPush<T>(
  name: string | undefined,
  edit: DraftEdit<T>,
  options: PushOptions,
): Promise<EditedAndPushed<T>> {
  const { workspace, dryRun = false } = options;
  // The edit and the push warn of the same things.
  const onEvent = deduplicateEvents(options.onEvent, ['warning']);
  const told = { ...options, onEvent };
  if (name !== undefined && isFileLocation(name)) throw notInRegistry(name);
  const draft = await ownDraft(name, workspace);
  const from = draft === undefined ? 'registry' : 'draft';
  const list = draft?.list ?? parseListName(name ?? '');
  onEvent({ type: 'from', from, reference: formatReference(list) });
  const start = draft ?? (await remoteDraft(list, told));
  const found: DraftEdit<T> = (edited, place) =>
    edit(edited, { ...place, named: (manifest) => findInList(start, manifest, told) });
  if (draft !== undefined && !dryRun) return { from, ...(await inPlace(list, found, editDraft(told), told)) };
  const removeHint = `Remove missing images with "mlist remove docker://${listName(start)} DIGEST... --push".`;
  const apart = draft === undefined ? { ...told, missingHint: removeHint } : told;
  const done = withWorkspaceOf(start, (options) => undone(list, found, options), apart);
  return { from, ...(await (draft === undefined ? done.catch(sayAgain) : done)) };
}

/** What was read from a registry was no draft that could be amended. */
function sayAgain(thrown: unknown): never {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_CONFLICT') throw thrown;
  const hint = 'Nothing was changed. The same command reads the list anew, and edits what it has now.';
  throw withHint(thrown, hint);
}

/** In a workspace that is gone afterwards: what the edit tells waits for the push, which tells nothing before it goes on. */
async function undone<T>(
  list: Reference,
  edit: DraftEdit<T>,
  options: PushOptions,
): Promise<Pick<EditedAndPushed<T>, 'edited' | 'pushed'>> {
  const waiting: (() => void)[] = [];
  const release = () => {
    for (const tell of waiting.splice(0)) tell();
  };
  const { onEvent } = options;
  const whenAccepted = (tell: () => void) => void waiting.push(tell);
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

export interface CreateAndPushOptions extends PushOptions {
  /** What the list is made of, as far as that is known beforehand. */
  readonly sources?: readonly Location[] | undefined;
  /** How the sources are read if they lack images. */
  readonly missing?: MissingChoice | undefined;
}

/**
 * Makes a draft, or amends it, and pushes it in one go; the draft stays. With `dryRun` neither a draft nor the workspace's
 * state is changed.
 * @throws MlistError what making and pushing throw; a draft that was made before the push failed is there to be pushed again
 */
export async function createAndPush<T>(
  list: Reference,
  make: (place: DraftTarget) => Promise<T>,
  { sources = [], missing, ...options }: CreateAndPushOptions,
): Promise<Omit<EditedAndPushed<T>, 'from'>> {
  const { workspace, stores, dryRun = false } = options;
  stores.registries.expect([
    { reference: list, push: !dryRun },
    ...sources.flatMap((source) => (source.kind === 'registry' ? [{ reference: source.reference, push: false }] : [])),
  ]);
  const state = await readState(workspace);
  const early = readTagStatesEarly(targetsOf(list, options.tags ?? [], options.to ?? []), sources, {
    ...options,
    isLate: (reference) => isTagUsed(reference, pushesOf(state, list), options),
  });
  const hints = missing === 'skip' ? { missingHint: missingHint(missing) } : {};
  const told = { ...options, ...hints, early, onEvent: deduplicateEvents(options.onEvent, ['warning']) };
  const both = async (place: PushOptions) => ({ edited: await make(place), pushed: await push(list, place) });
  if (!dryRun) return both(told);
  return withWorkspaceOf(await workspace.find(list), both, told);
}

async function ownDraft(name: string | undefined, workspace: Workspace): Promise<Draft | undefined> {
  if (name === undefined) return workspace.load(await currentList(workspace));
  const list = listIn(parseLocation(name));
  return list === undefined ? undefined : workspace.find(list);
}

async function inPlace<T>(
  list: Reference,
  edit: DraftEdit<T>,
  place: EditTarget,
  options: PushOptions,
): Promise<Pick<EditedAndPushed<T>, 'edited' | 'pushed'>> {
  const edited = await edit(list, place);
  const emptyHint = `Push it empty all the same with --allow-empty, or take the tag away with "mlist delete ${formatReference(list)}".`;
  return { edited, pushed: await push(list, { ...options, emptyHint }) };
}

/** Runs work in a workspace that holds just this draft, or none, and is gone afterwards. */
async function withWorkspaceOf<T>(
  draft: Draft | undefined,
  work: (options: PushOptions) => Promise<T>,
  options: PushOptions,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `mlist-edit-${process.pid}-`));
  try {
    const workspace = new Workspace(join(folder, 'workspace'));
    if (draft !== undefined) await workspace.update(draft.list, () => draft, { signal: options.signal });
    return await work({ ...options, workspace, record: false });
  } finally {
    await rm(folder, { recursive: true, force: true }).catch((thrown: unknown) => {
      options.onEvent?.({ type: 'warning', message: `cannot remove ${folder}: ${asMlistError(thrown).message}` });
    });
  }
}

/** @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_LIST_INVALID` where a single image goes by that name */
async function remoteDraft(list: Reference, { stores, signal }: PushOptions): Promise<Draft> {
  const name = formatReference(list);
  stores.registries.expect([{ reference: list, push: true }]);
  const location: Location = { kind: 'registry', reference: list, explicit: true };
  const { store, name: tag } = await stores.resolveLocation(location, { signal });
  const content = await store.fetchManifest(tag, { signal }).catch((thrown: unknown) => {
    throw thrown instanceof MlistError && thrown.code === 'ERR_MLIST_NOT_FOUND' ? noList(thrown, name) : thrown;
  });
  if (!isIndexType(content.descriptor.mediaType)) {
    throw new MlistError('ERR_MLIST_LIST_INVALID', `${name} is a single image, not a list that could be edited`, {
      reference: name,
      hint: `Make a list of it with "mlist create ${name} ${name}@${content.descriptor.digest}", edit that, and push it.`,
    });
  }
  await stores.cache.put(content.bytes);
  return draftOfList(list, readIndex(content.bytes, content.descriptor.mediaType, name), content);
}

function noList(error: MlistError, name: string): MlistError {
  const hint = `Check the spelling. A new list is made with "mlist create ${name} IMAGE" and "mlist push"; where there may be none yet, use "mlist join".`;
  return withHint(error, hint);
}

function notInRegistry(name: string): MlistError {
  return new MlistError(
    'ERR_MLIST_USAGE',
    `${name} lies in no registry: only lists in registries are edited in place`,
    {
      hint: `Make a draft of it with "mlist create LIST ${name}", edit that, and write it with "mlist push --to".`,
    },
  );
}

/**
 * The draft that says what a list says, word for word: nothing is asked of its images, nested indexes stay entries, and
 * members that mlist does not know come along. Pushed as it is, it is that list to the byte.
 */
function draftOfList(list: Reference, document: Index, content: Content): Draft {
  const source: Location = { kind: 'registry', reference: list, explicit: true };
  const draft: Draft = {
    ...fromIndex(list, { source, index: { document, content } }),
    entries: document.manifests.map((entry) => ({ source, via: content.descriptor.digest, ...entryMembers(entry) })),
  };
  return { ...draft, format: settledFormat(draft) };
}

import { asMlistError, MlistError } from '../../errors/errors.ts';
import type { BlobCache } from '../../store/cache.ts';
import { LayerRecords } from '../../store/docker-image/layer-records.ts';
import { isAttestationEntry, listName, platformOf } from '../../draft/draft.ts';
import { formatOf } from '../../draft/to-list.ts';
import { readState, updateState, withCurrent, withoutDraft } from '../../draft/workspace/workspace-state.ts';
import { listOfFile, type StoredDraft, type Workspace } from '../../draft/workspace/workspace.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { readJson } from '../../json/parse.ts';
import type { Digest } from '../../oci/digest.ts';

/** A draft of a workspace, or a damaged draft file. */
export type DraftSummary =
  | {
      readonly list: Reference;
      readonly path: string;
      readonly current: boolean;
      readonly modified: string;
      readonly format: 'oci' | 'docker';
      readonly images: number;
      readonly attestations: number;
      readonly platforms: readonly string[];
    }
  | { readonly name: string; readonly path: string; readonly damaged: string };

export async function listDrafts(workspace: Workspace): Promise<readonly DraftSummary[]> {
  const { current } = await readState(workspace);
  return workspace.map((stored): DraftSummary => {
    if ('error' in stored) return { name: stored.name, path: stored.path, damaged: stored.error.message };
    return summaryOf(stored, current);
  });
}

function summaryOf({ path, modified, draft }: StoredDraft, current: string | undefined): DraftSummary {
  const images = draft.entries.filter((entry) => !isAttestationEntry(entry));
  const platforms = images.flatMap((entry) => platformOf(entry) ?? []);
  return {
    list: draft.list,
    path,
    current: listName(draft) === current,
    modified: modified.toISOString(),
    format: formatOf(draft),
    images: images.length,
    attestations: draft.entries.length - images.length,
    platforms: platforms.map((platform) => formatPlatform(platform, { all: true })),
  };
}

/**
 * Makes a draft the current one.
 * @returns its canonical reference
 */
export async function useDraft(workspace: Workspace, list: Reference): Promise<string> {
  await workspace.load(list);
  await updateState(workspace, (state) => withCurrent(state, list));
  return formatReference(list);
}

/**
 * Removes a draft, even a damaged one.
 * @returns its canonical reference
 */
export async function removeDraft(workspace: Workspace, list: Reference, signal?: AbortSignal): Promise<string> {
  await workspace.remove(list, undefined, { signal });
  await updateState(workspace, (state) => withoutDraft(state, list));
  return formatReference(list);
}

export interface RemovedDrafts {
  /** The canonical references of the removed drafts. */
  readonly removed: readonly string[];
  /** The errors of the drafts that could not be removed. */
  readonly errors: readonly MlistError[];
}

export interface RemoveAllOptions {
  /**
   * Called with the canonical references of the drafts before anything is removed. If it resolves to false, nothing is
   * removed. Default: no confirmation.
   */
  readonly confirm?: ((names: readonly string[]) => Promise<boolean>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Removes all drafts of the workspace, including damaged ones. A damaged draft whose file name does not identify a list
 * is kept and reported as an error. A draft that another command removes in the meantime is not an error.
 */
export async function removeAllDrafts(
  workspace: Workspace,
  { confirm, signal }: RemoveAllOptions = {},
): Promise<RemovedDrafts> {
  const found = await workspace.map((stored) => ({
    path: stored.path,
    list: 'error' in stored ? listOfFile(stored.name) : stored.draft.list,
  }));
  const lists = found.flatMap(({ list }) => list ?? []);
  const errors = found.flatMap(({ list, path }) => (list === undefined ? [unnamedDraft(path)] : []));
  if (lists.length > 0 && (await confirm?.(lists.map((list) => formatReference(list)))) === false)
    return { removed: [], errors: [] };
  const removed: string[] = [];
  for (const list of lists) {
    try {
      removed.push(await removeDraft(workspace, list, signal));
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = asMlistError(thrown);
      if (error.code !== 'ERR_MLIST_DRAFT_NOT_FOUND') errors.push(error);
    }
  }
  return { removed, errors };
}

function unnamedDraft(path: string): MlistError {
  return new MlistError(
    'ERR_MLIST_DRAFT_DAMAGED',
    `${path} was not removed: it is not a valid draft, and its file name does not identify a list`,
    {
      path,
      hint: 'Delete the file, or move it to another folder.',
    },
  );
}

export interface Pruned {
  readonly blobs: readonly Digest[];
  /** The number of removed temporary files. */
  readonly leftovers: number;
}

/** Minimum age, in milliseconds, of the files that are removed. Running commands may still need younger files. */
const PRUNE_AGE_MS = 60 * 60 * 1000;

/**
 * Removes cached blobs that no draft needs, records of compressed layers, and temporary files of crashed commands.
 * Files that are less than an hour old are kept.
 * @throws MlistError `ERR_MLIST_DRAFT_DAMAGED` if a draft is damaged. In this case, nothing is removed
 */
export async function prune(workspace: Workspace, cache: BlobCache): Promise<Pruned> {
  const needed = new Set<string>();
  await workspace.map((stored) => {
    if ('error' in stored) throw cannotPrune(stored.error);
    const { base, entries } = stored.draft;
    if (base !== undefined) needed.add(base.digest);
    for (const { digest, via } of entries) {
      needed.add(digest);
      if (via !== undefined) needed.add(via);
    }
  });
  for (const digest of await cache.digests()) {
    const config = needed.has(digest) ? await configOf(cache, digest) : undefined;
    if (config !== undefined) needed.add(config);
  }
  for (const folder of new Set([workspace.folder, workspace.guard?.ownWorkspace]))
    await new LayerRecords(folder).prune(PRUNE_AGE_MS);
  return { blobs: await cache.prune(needed, PRUNE_AGE_MS), leftovers: await workspace.removeLeftovers(PRUNE_AGE_MS) };
}

async function configOf(cache: BlobCache, digest: Digest): Promise<string | undefined> {
  const bytes = await cache.get(digest);
  const document = bytes && (readJson(bytes).value as { config?: { digest?: string } } | undefined);
  return document?.config?.digest;
}

function cannotPrune(error: MlistError): MlistError {
  return new MlistError(
    error.code,
    `nothing was removed, because it is unknown which blobs a damaged draft needs: ${error.message}`,
    error.facts,
  );
}

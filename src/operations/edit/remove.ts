import { MlistError } from '../../errors/errors.ts';
import { imagePlatforms, isAttestationEntry, listName, platformOf, type Draft, type Entry } from '../../draft/draft.ts';
import { removeEntries } from '../../draft/draft-edit.ts';
import {
  describeEntry,
  entriesNamed,
  matchesPlatform,
  platformNotFoundText,
  entryNotFound,
} from '../../draft/entry-selection.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { chosenList } from '../current-draft.ts';
import type { OnEvent } from '../events.ts';
import { reportFormatChange } from '../warnings.ts';

export interface RemoveOptions {
  readonly workspace: Workspace;
  /**
   * Remove only images for these platforms, either among the given manifests or, if no manifests are given, in the
   * whole list. Default: remove all given manifests.
   */
  readonly platforms?: readonly Platform[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

export interface Removed {
  readonly draft: Draft;
  readonly list: string;
  readonly removed: readonly Entry[];
}

/**
 * Removes entries from a draft. The attestations of an image are removed with it.
 * @param manifests - sources, digests or digest prefixes
 * @throws MlistError `ERR_MLIST_ENTRY_NOT_FOUND` if a manifest or a platform is not in the list; `ERR_MLIST_AMBIGUOUS`
 * if a digest prefix matches several digests
 */
export async function remove(
  list: Reference | undefined,
  manifests: readonly string[],
  options: RemoveOptions,
): Promise<Removed> {
  const { workspace, platforms = [], signal, onEvent } = options;
  const chosen = await chosenList(workspace, list);
  let removed: readonly Entry[] = [];
  const { before: was, draft } = await workspace.update(
    chosen,
    (before) => {
      if (before === undefined) return undefined;
      const edited = removeEntries(before, chosenEntries(before, manifests, platforms));
      removed = before.entries.filter((entry) => !edited.entries.includes(entry));
      return edited;
    },
    { signal },
  );
  const name = formatReference(chosen);
  for (const entry of removed) onEvent?.({ type: 'entry', list: name, change: { type: 'removed', entry } });
  if (was !== undefined) reportFormatChange(was, draft, onEvent);
  return { draft, list: name, removed };
}

function chosenEntries(draft: Draft, manifests: readonly string[], platforms: readonly Platform[]): readonly Entry[] {
  if (manifests.length === 0) return ofPlatforms(draft, draft.entries, platforms, '');
  return manifests.flatMap((manifest) => {
    const named = entriesNamed(draft, manifest);
    if (named.length === 0) throw entryNotFound(draft, manifest);
    return platforms.length === 0
      ? unambiguous(draft, manifest, named)
      : ofPlatforms(draft, named, platforms, `of ${manifest} `);
  });
}

/**
 * Returns the entries that are images for the platforms.
 * @param of - the part of the error message before the platform
 * @throws MlistError `ERR_MLIST_ENTRY_NOT_FOUND` if there is no image for a platform
 */
function ofPlatforms(
  draft: Draft,
  entries: readonly Entry[],
  platforms: readonly Platform[],
  of: string,
): readonly Entry[] {
  const available = imagePlatforms(entries);
  return platforms.flatMap((platform) => {
    const found = entries.filter((entry) => !isAttestationEntry(entry) && matchesPlatform(platformOf(entry), platform));
    if (found.length === 0) throw entryNotFound(draft, `${of}for ${platformNotFoundText(platform, available)}`);
    return found;
  });
}

/**
 * Returns the entries that an argument selects. A source may have several entries, which are all removed, but a digest
 * prefix must match only one digest.
 */
function unambiguous(draft: Draft, manifest: string, named: readonly Entry[]): readonly Entry[] {
  const isPrefix =
    named.every((entry) => entry.digest.includes(manifest)) && new Set(named.map((entry) => entry.digest)).size > 1;
  if (!isPrefix) return named;
  throw new MlistError('ERR_MLIST_AMBIGUOUS', `${manifest} is a prefix of several digests in ${listName(draft)}`, {
    reference: listName(draft),
    hint: `Use a longer prefix: ${named.map(describeEntry).join(', ')}.`,
  });
}

import type { Draft, Entry } from '../../draft/draft.ts';
import { imagePlatforms, isAttestationEntry, platformOf, sourceName } from '../../draft/draft.ts';
import { parseListName } from '../../draft/workspace/draft-file.ts';
import { locateWorkspace, type LocateOptions } from '../../draft/workspace/locate-workspace.ts';
import { listOfFile, Workspace, type StoredDraft } from '../../draft/workspace/workspace.ts';
import { commonPlatforms } from '../../oci/platform/aliases.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import { familiarReference, formatReference, type Reference } from '../../oci/reference.ts';
import { currentList } from '../../operations/current-draft.ts';
import { mayOmitList, type Candidate, type Cursor } from './cursor.ts';

/**
 * This file finds candidates in the drafts of the workspace. If a workspace or draft cannot be read, it yields no
 * candidates.
 */

type Environment = Omit<LocateOptions, 'workspace'>;

/**
 * If more drafts than this match the incomplete word, a draft is read only if its file name does not contain the whole
 * reference. The candidates for all other drafts have no descriptions.
 */
const MAX_DESCRIBED = 100;

/**
 * Returns the names of drafts, with their platforms as descriptions. The familiar name (`ubuntu:24.04`) is used if it
 * begins with the incomplete word, otherwise the canonical one.
 */
export async function draftNames(cursor: Cursor, environment: Environment): Promise<readonly Candidate[]> {
  try {
    const workspace = await openWorkspace(cursor, environment);
    const found = (await workspace.names()).flatMap((name) => {
      const list = listOfFile(name);
      // If a reference is long, the file name of the draft does not contain all of it, and the draft must be read.
      const word = list && wordOf(list, cursor);
      return word === undefined || word.startsWith(cursor.typing) ? [{ name, word }] : [];
    });
    const isDescribed = found.length <= MAX_DESCRIBED;
    const read = found.filter(({ word }) => isDescribed || word === undefined).map(({ name }) => name);
    const words = isDescribed ? [] : found.flatMap(({ word }) => (word === undefined ? [] : [{ word }]));
    const described = await workspace.map((stored) => ('error' in stored ? [] : [candidateOf(stored, cursor)]), read);
    return [...words, ...described.flat()];
  } catch {
    return [];
  }
}

function candidateOf({ draft: { list, entries } }: StoredDraft, cursor: Cursor): Candidate {
  const platforms = imagePlatforms(entries).map((platform) => formatPlatform(platform, { all: true }));
  return { word: wordOf(list, cursor), description: platforms.join(' ') };
}

function wordOf(list: Reference, { typing }: Cursor): string {
  const familiar = familiarReference(list);
  return familiar.startsWith(typing) ? familiar : formatReference(list);
}

/**
 * Returns the images of the chosen draft, named by their sources, or by their digests if the incomplete word begins
 * with `sha256:`.
 */
export async function draftImages(cursor: Cursor, environment: Environment): Promise<readonly Candidate[]> {
  const draft = await chosenDraft(cursor, environment);
  return (draft?.entries ?? [])
    .filter((entry) => !isAttestationEntry(entry))
    .map((entry) => ({ word: nameOf(entry, cursor.typing), description: platformText(entry) }));
}

/**
 * Completes a platform: first with the platforms of the chosen draft, then with common ones. The incomplete word may
 * contain several platforms, separated by commas.
 */
export async function platforms(cursor: Cursor, environment: Environment): Promise<readonly Candidate[]> {
  const draft = cursor.command?.uses.includes('draft') === true ? await chosenDraft(cursor, environment) : undefined;
  const own = imagePlatforms(draft?.entries ?? []).map((platform) => formatPlatform(platform, { all: true }));
  const [, before = ''] = /^(.*[,=])?[^,=]*$/.exec(cursor.typing) ?? [];
  const given = new Set(before.split(/[,=]/));
  const names = [...new Set([...own, ...commonPlatforms])].filter((name) => !given.has(name));
  return names.map((name) => ({ word: before + name }));
}

function nameOf(entry: Entry, typing: string): string {
  if (typing.startsWith('sha256:')) return entry.digest;
  const familiar = entry.source.kind === 'registry' ? familiarReference(entry.source.reference) : undefined;
  return familiar?.startsWith(typing) === true ? familiar : sourceName(entry);
}

function platformText(entry: Entry): string | undefined {
  const platform = platformOf(entry);
  return platform && formatPlatform(platform, { all: true });
}

/**
 * Returns the draft that the command will use: the draft given with `--list`, MLIST_LIST or the first argument, or else
 * the current draft. Returns undefined if this draft does not exist or cannot be read.
 */
async function chosenDraft(cursor: Cursor, environment: Environment): Promise<Draft | undefined> {
  try {
    const workspace = await openWorkspace(cursor, environment);
    const named = cursor.values.get('list') ?? environment.env['MLIST_LIST'];
    if (named) return await workspace.find(parseListName(named));
    const [first] = cursor.positionals;
    const found = await findDraft(workspace, first);
    const isList = first !== undefined && !mayOmitList(cursor);
    return found ?? (isList ? undefined : await workspace.find(await currentList(workspace)));
  } catch {
    return undefined;
  }
}

/** Returns the draft that a word names, or undefined if no draft has this name. */
async function findDraft(workspace: Workspace, word: string | undefined): Promise<Draft | undefined> {
  try {
    return word === undefined ? undefined : await workspace.find(parseListName(word));
  } catch {
    return undefined;
  }
}

async function openWorkspace({ values }: Cursor, environment: Environment): Promise<Workspace> {
  return new Workspace(await locateWorkspace({ ...environment, workspace: values.get('workspace') }));
}

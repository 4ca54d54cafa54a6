import { MlistError } from '../../errors/errors.ts';
import {
  contentId,
  emptyDraft,
  isAttestationEntry,
  listName,
  manifestKey,
  platformOf,
  sourceName,
  type Draft,
  type Entry,
  type Format,
} from '../../draft/draft.ts';
import { changeList, type ListChange } from '../../draft/draft-edit.ts';
import { formatOf } from '../../draft/to-list.ts';
import {
  appendSources,
  mergeSource,
  partsApart,
  replaceSources,
  type EntryEvent,
  type ResolvedSource,
} from '../../draft/merge.ts';
import { describeEntry } from '../../draft/entry-selection.ts';
import type { Digest } from '../../oci/digest.ts';
import { sameLocation, type Location } from '../../oci/location.ts';
import type { Reference } from '../../oci/reference.ts';
import { sameJson, type Json } from '../../json/json.ts';
import { MediaType } from '../../oci/media-type.ts';
import { formatPlatform, samePlatform } from '../../oci/platform/platform.ts';
import { unknownMembers } from '../sources/entry-members.ts';
import type { Resolved } from '../sources/resolve-source.ts';

/** This file builds the draft of `create` from sources that were read. Its functions are pure. */

/** Requested settings of the list itself. If a member is absent, the current value is kept. */
export interface ListSettings {
  readonly format?: Format | undefined;
  readonly listChange?: Omit<ListChange, 'subject'> | undefined;
}

/** A MANIFEST argument that was read. */
export interface ReadArgument {
  readonly resolved: Resolved;
  /** Whether the argument states a platform (`=PLATFORM`). */
  readonly isPlatformGiven: boolean;
}

export interface DraftResult {
  readonly draft: Draft;
  readonly changes: readonly EntryEvent[];
  /** The current content of the base tag, if the draft cannot be based on it. See `rebased`. */
  readonly other?: MovedBase | undefined;
}

/** The list to which the base tag of a draft now refers, if members such as its annotations differ from the draft. */
export interface MovedBase {
  readonly ref: Location;
  /** The digest that the tag has now. */
  readonly digest: Digest;
  /** Names of the members that differ from the draft. */
  readonly members: readonly string[];
}

export function newDraft(list: Reference, resolved: readonly Resolved[], settings: ListSettings): DraftResult {
  const { draft, events } = appendSources(startOf(list, resolved), resolved);
  return {
    draft: withSettings(draft, { ...settings, format: settings.format ?? settledFormat(draft) }),
    changes: events,
  };
}

/**
 * Merges sources into an existing draft (`--amend`). Entries of these sources are replaced at their positions, and new
 * images are appended.
 */
export function amendDraft(current: Draft, resolved: readonly Resolved[], settings: ListSettings): DraftResult {
  let draft = current;
  const changes: EntryEvent[] = [];
  for (const source of resolved.flatMap(imagesApart)) {
    const merged = mergeSource(draft, source);
    draft = merged.draft;
    changes.push(...merged.events);
  }
  return { ...rebased(withSettings(draft, settings), resolved), changes };
}

/**
 * If the list on which a draft is based was read again, makes its current content the base, so that a push can replace
 * it. If members of the list itself differ from the draft, a push would lose them. In this case, the base is kept, and
 * the push will be refused.
 */
function rebased(draft: Draft, resolved: readonly Resolved[]): Pick<DraftResult, 'draft' | 'other'> {
  const { base } = draft;
  const again = base && resolved.find(({ source, index }) => index !== undefined && sameLocation(source, base.ref));
  const fresh = again && fromIndex(draft.list, again);
  if (fresh?.base === undefined || fresh.base.digest === base?.digest) return { draft };
  const members = otherMembers(fresh, draft);
  return members.length === 0
    ? { draft: { ...draft, base: fresh.base } }
    : { draft, other: { ...fresh.base, members } };
}

/** Returns the names of the members of the list itself that differ between two drafts. */
export function otherMembers(left: Draft, right: Draft): readonly string[] {
  const [some, others] = [membersOf(left), membersOf(right)];
  return [...new Set([...Object.keys(some), ...Object.keys(others)])].filter(
    (name) => !sameJson(some[name], others[name]),
  );
}

function membersOf({ annotations = {}, artifactType, subject, extra }: Draft): Readonly<Record<string, Json | object>> {
  return {
    annotations,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: subject.digest }),
    ...extra,
  };
}

/**
 * Replaces all entries with the entries of the sources (`--replace`). If the draft has no base, the format and the
 * members that the author has set on the list itself are kept.
 */
export function replaceDraft(current: Draft, resolved: readonly Resolved[], settings: ListSettings): DraftResult {
  const start = startOf(current.list, resolved);
  const { draft: replaced, events } = replaceSources(current, start, resolved.flatMap(entriesApart));
  const draft = { ...replaced, entries: inIndexOrder(replaced.entries, resolved) };
  const { artifactType, annotations, subject } = current.base === undefined ? current : {};
  const isChosen = current.base === undefined && current.format !== 'auto';
  const kept: Draft = {
    ...draft,
    format: isChosen ? current.format : settledFormat(draft),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(annotations === undefined ? {} : { annotations: { ...draft.annotations, ...annotations } }),
  };
  return { draft: withSettings(kept, settings), changes: events };
}

/**
 * Returns the existing draft if a repeated `create` has the same sources. Edits of the author are kept, and requested
 * settings of the list are applied.
 * @throws MlistError `ERR_MLIST_DRAFT_EXISTS` if the entries, or a platform that an argument gives, differ
 */
export function requireSameDraft(current: Draft, read: readonly ReadArgument[], settings: ListSettings): DraftResult {
  const requested = newDraft(
    current.list,
    read.map(({ resolved }) => resolved),
    settings,
  ).draft;
  if (identityOf(current) !== identityOf(requested)) throw otherDraft(current, ' with different entries');
  for (const { isPlatformGiven, resolved } of read) {
    const other = isPlatformGiven ? otherPlatform(current, requested, resolved) : undefined;
    if (other !== undefined) throw otherDraft(current, other);
  }
  return { draft: withSettings(current, settings), changes: [] };
}

function identityOf({ entries }: Draft): string {
  return JSON.stringify(
    entries.map((entry) => [
      sourceName(entry),
      contentId(entry),
      ...(entry.image ? [] : [entry.mediaType, entry.size]),
    ]),
  );
}

/**
 * Compares the platform that an argument specifies with the existing draft. Returns the part of the error message about
 * the first entry with another platform, or undefined if all are equal.
 */
function otherPlatform(current: Draft, requested: Draft, { entries }: Resolved): string | undefined {
  const differing = requested.entries.find(
    (entry, at) => entries.includes(entry) && !isSame(entry, current.entries[at]),
  );
  const existing = differing && current.entries[requested.entries.indexOf(differing)];
  if (differing === undefined || existing === undefined) return undefined;
  return `, and its entry ${describeEntry(existing)} is not for ${formatPlatform(platformOf(differing) ?? noPlatform, { all: true })}`;
}

const noPlatform = { os: '', architecture: '' };

function isSame(left: Entry, right: Entry | undefined): boolean {
  return right !== undefined && samePlatform(platformOf(left) ?? noPlatform, platformOf(right) ?? noPlatform);
}

function otherDraft(current: Draft, which: string): MlistError {
  const list = listName(current);
  return new MlistError('ERR_MLIST_DRAFT_EXISTS', `the draft ${list} already exists${which}`, {
    reference: list,
    hint:
      `Update the draft with --amend, replace its images with --replace, or remove it with "mlist rm ${list}". ` +
      `"mlist show ${list}" shows the draft, "mlist show docker://${list}" the list in the registry.`,
  });
}

function withSettings(draft: Draft, { format = draft.format, listChange = {} }: ListSettings): Draft {
  return changeList({ ...draft, format }, listChange);
}

function startOf(list: Reference, resolved: readonly Resolved[]): Draft {
  const [only, ...others] = resolved;
  return only !== undefined && others.length === 0 ? fromIndex(list, only) : emptyDraft(list);
}

/**
 * Splits a source into the sources that `--amend` merges one by one: the images of an index from a file, each with its
 * attestations, or the parts of an index that were read from several locations. Other sources are not split.
 */
function imagesApart(resolved: Resolved): readonly ResolvedSource[] {
  if (resolved.parts !== undefined) return partsApart(resolved);
  if (resolved.given === undefined) return [resolved];
  const images = resolved.entries.filter((entry) => !isAttestationEntry(entry));
  return images.map((image) => ({
    source: image.source,
    entries: [image, ...resolved.entries.filter(({ attests }) => attests === image.digest)],
  }));
}

/** Restores the order of the entries of an index whose parts were read from several sources. */
function inIndexOrder(entries: readonly Entry[], resolved: readonly Resolved[]): readonly Entry[] {
  if (resolved.every(({ parts }) => parts === undefined)) return entries;
  const keys = resolved.flatMap((one) => one.entries).map(manifestKey);
  return [...entries].sort((left, right) => keys.indexOf(manifestKey(left)) - keys.indexOf(manifestKey(right)));
}

/**
 * Splits a source into the sources that `--replace` matches one by one: the entries of an index from a file, or the
 * parts of an index that were read from several locations. Other sources are not split.
 */
function entriesApart(resolved: Resolved): readonly ResolvedSource[] {
  if (resolved.parts !== undefined) return partsApart(resolved);
  if (resolved.given === undefined) return [resolved];
  return resolved.entries.map((entry) => ({ source: entry.source, entries: [entry] }));
}

/** The members that are defined for Docker manifest lists and for indexes. All others are kept as unknown members. */
const listMembers = ['schemaVersion', 'mediaType', 'manifests'];
const indexMembers = [...listMembers, 'annotations', 'artifactType', 'subject'];

/**
 * Returns a draft without entries. If the source is an index, the draft has the other members of the index and is based
 * on it. An unpublished index from a file does not become the base.
 */
export function fromIndex(
  list: Reference,
  { source, index, given }: Pick<Resolved, 'source' | 'index' | 'given'>,
): Draft {
  if (index === undefined) return emptyDraft(list);
  const { document, content } = index;
  const isDocker = document.mediaType === MediaType.dockerList;
  const extra = unknownMembers(document, isDocker ? listMembers : indexMembers);
  const { annotations, artifactType, subject } = isDocker ? {} : document;
  return {
    version: 1,
    list,
    format: isDocker ? 'docker' : 'oci',
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(given?.isPublished === false ? {} : { base: { ref: source, digest: content.descriptor.digest } }),
    ...(extra === undefined ? {} : { extra }),
    entries: [],
  };
}

/**
 * Returns the format to store in the draft. This is `auto` if `auto` currently gives the format of the draft, so that
 * later edits can change the format. Otherwise, it is the format of the draft.
 */
export function settledFormat(draft: Draft): Format {
  return formatOf({ ...draft, format: 'auto' }) === draft.format ? 'auto' : draft.format;
}

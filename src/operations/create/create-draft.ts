import { MlistError } from '../../errors/errors.ts';
import {
  emptyDraft,
  isAttestationEntry,
  listName,
  platformOf,
  sourceName,
  type Draft,
  type Entry,
  type Format,
} from '../../draft/draft.ts';
import { changeList, type ListChange } from '../../draft/draft-edit.ts';
import { formatOf } from '../../draft/to-list.ts';
import { appendSources, mergeSource, replaceSources, type EntryEvent, type ResolvedSource } from '../../draft/merge.ts';
import { describeEntry } from '../../draft/entry-selection.ts';
import type { Digest } from '../../oci/digest.ts';
import { sameLocation, type Location } from '../../oci/location.ts';
import type { Reference } from '../../oci/reference.ts';
import { sameJson, type Json } from '../../json/json.ts';
import { MediaType } from '../../oci/media-type.ts';
import { formatPlatform, samePlatform } from '../../oci/platform/platform.ts';
import { unknownMembers } from '../sources/entry-members.ts';
import type { Resolved } from '../sources/resolve-source.ts';

/** What `create` makes of what was read. Pure. */

/** What was asked for of the list itself; absent is left as it is. */
export interface ListSettings {
  readonly format?: Format | undefined;
  readonly listChange?: Omit<ListChange, 'subject'> | undefined;
}

/** What an argument turned out to be. */
export interface ReadArgument {
  readonly resolved: Resolved;
  /** The author said its platform. */
  readonly isSaid: boolean;
}

export interface DraftResult {
  readonly draft: Draft;
  readonly changes: readonly EntryEvent[];
  /** Its base was read again, and the draft cannot stand on what is there now. */
  readonly other?: OtherBase | undefined;
}

/** A list that others have moved, and that says other things of itself than the draft that was made from it. */
export interface OtherBase {
  readonly ref: Location;
  /** What it has now. */
  readonly digest: Digest;
  /** What it says otherwise. */
  readonly members: readonly string[];
}

/** A draft where there was none. */
export function newDraft(list: Reference, resolved: readonly Resolved[], wishes: ListSettings): DraftResult {
  const { draft, events } = appendSources(startOf(list, resolved), resolved);
  return { draft: withWishes(draft, { ...wishes, format: wishes.format ?? settledFormat(draft) }), changes: events };
}

/** The sources in an existing draft, each brought up to date in its place. */
export function amendDraft(current: Draft, resolved: readonly Resolved[], wishes: ListSettings): DraftResult {
  let draft = current;
  const changes: EntryEvent[] = [];
  for (const source of resolved.flatMap(imagesApart)) {
    const merged = mergeSource(draft, source);
    draft = merged.draft;
    changes.push(...merged.events);
  }
  return { ...rebased(withWishes(draft, wishes), resolved), changes };
}

/**
 * A draft whose base was read again is based on what is there now, so that it can be pushed over it. Not where the list
 * says other things of itself than the draft does: they would be lost, and the push is to be refused.
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

/** Names of what two drafts say differently of the list itself. */
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

/** Exactly the sources. What the author said of the list stays too, where it did not come from another list. */
export function replaceDraft(current: Draft, resolved: readonly Resolved[], wishes: ListSettings): DraftResult {
  const { draft, events } = replaceSources(current, startOf(current.list, resolved), resolved.flatMap(entriesApart));
  const { artifactType, annotations, subject } = current.base === undefined ? current : {};
  const isChosen = current.base === undefined && current.format !== 'auto';
  const kept: Draft = {
    ...draft,
    format: isChosen ? current.format : settledFormat(draft),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(annotations === undefined ? {} : { annotations: { ...draft.annotations, ...annotations } }),
  };
  return { draft: withWishes(kept, wishes), changes: events };
}

/**
 * Creating again what is there already is no conflict: what the author set since then stays, and what is asked for of the
 * list itself is done.
 * @throws MlistError `ERR_MLIST_DRAFT_EXISTS` where other entries, or another platform of one, are asked for
 */
export function requireSameDraft(current: Draft, read: readonly ReadArgument[], wishes: ListSettings): DraftResult {
  const made = newDraft(
    current.list,
    read.map(({ resolved }) => resolved),
    wishes,
  ).draft;
  if (identityOf(current) !== identityOf(made)) throw otherDraft(current, 'with other entries');
  for (const { isSaid, resolved } of read) {
    const other = isSaid ? otherPlatform(current, made, resolved) : undefined;
    if (other !== undefined) throw otherDraft(current, other);
  }
  return { draft: withWishes(current, wishes), changes: [] };
}

function identityOf({ entries }: Draft): string {
  return JSON.stringify(entries.map((entry) => [sourceName(entry), entry.digest, entry.mediaType, entry.size]));
}

/** Where the platform that an argument says is not the one in the draft. */
function otherPlatform(current: Draft, made: Draft, { entries }: Resolved): string | undefined {
  const differing = made.entries.find((entry, at) => entries.includes(entry) && !isSame(entry, current.entries[at]));
  const there = differing && current.entries[made.entries.indexOf(differing)];
  if (differing === undefined || there === undefined) return undefined;
  return `in which ${describeEntry(there)} is not for ${formatPlatform(platformOf(differing) ?? noPlatform, { all: true })}`;
}

const noPlatform = { os: '', architecture: '' };

function isSame(left: Entry, right: Entry | undefined): boolean {
  return right !== undefined && samePlatform(platformOf(left) ?? noPlatform, platformOf(right) ?? noPlatform);
}

function otherDraft(current: Draft, which: string): MlistError {
  const list = listName(current);
  return new MlistError('ERR_MLIST_DRAFT_EXISTS', `there is a draft ${list} already, ${which}`, {
    reference: list,
    hint:
      'Bring it up to date with --amend, make it exactly these images with --replace, or remove it with "mlist rm". ' +
      `It is shown by "mlist show ${list}", what the registry has by "mlist show docker://${list}".`,
  });
}

function withWishes(draft: Draft, { format = draft.format, listChange = {} }: ListSettings): Draft {
  return changeList({ ...draft, format }, listChange);
}

function startOf(list: Reference, resolved: readonly Resolved[]): Draft {
  const [only, ...others] = resolved;
  return only !== undefined && others.length === 0 ? fromIndex(list, only) : emptyDraft(list);
}

/** The images of an index that the author gave are sources by themselves, with their attestations. */
function imagesApart(resolved: Resolved): readonly ResolvedSource[] {
  if (resolved.given === undefined) return [resolved];
  const images = resolved.entries.filter((entry) => !isAttestationEntry(entry));
  return images.map((image) => ({
    source: image.source,
    entries: [image, ...resolved.entries.filter(({ attests }) => attests === image.digest)],
  }));
}

/** The same with all entries in their places. */
function entriesApart(resolved: Resolved): readonly ResolvedSource[] {
  if (resolved.given === undefined) return [resolved];
  return resolved.entries.map((entry) => ({ source: entry.source, entries: [entry] }));
}

/** What a Docker list knows; the rest of an index's members are unknown in one, and stay as they are. */
const listMembers = ['schemaVersion', 'mediaType', 'manifests'];
const indexMembers = [...listMembers, 'annotations', 'artifactType', 'subject'];

/** A draft that carries on with all that a single index says of itself. */
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

/** Where a list would get the type of the one that it was made from anyway, it is not tied to it. */
export function settledFormat(draft: Draft): Format {
  return formatOf({ ...draft, format: 'auto' }) === draft.format ? 'auto' : draft.format;
}

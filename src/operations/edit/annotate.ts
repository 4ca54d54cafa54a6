import { isDeepStrictEqual } from 'node:util';
import { MlistError, withFurtherHint } from '../../errors/errors.ts';
import {
  isAttestationEntry,
  listName,
  manifestKey,
  platformOf,
  sourceName,
  type Draft,
  type Entry,
  type PlatformSettings,
} from '../../draft/draft.ts';
import { checkDraft, requireKnownPlatforms } from '../../draft/draft-rules.ts';
import { changeEntries, changeList, type EntryChange, type ListChange } from '../../draft/draft-edit.ts';
import {
  describeEntry,
  entriesNamed,
  matchesShortForm,
  matchesPlatform,
  platformNotFoundText,
  entryNotFound,
} from '../../draft/entry-selection.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { minimalDescriptor } from '../../oci/descriptor.ts';
import { shortDigest } from '../../oci/digest.ts';
import { sameLocation, type Location } from '../../oci/location.ts';
import { formatPlatform, type Platform } from '../../oci/platform/platform.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { chosenList } from '../current-draft.ts';
import type { OnEvent } from '../events.ts';
import type { Stores } from '../../store/open.ts';
import { reportFormatChange, warnAboutDraft } from '../warnings.ts';

export interface AnnotateOptions {
  readonly workspace: Workspace;
  /**
   * Source, digest or prefix of the digest of the entry. Default: the short form, in which the platform options of the
   * change select the entry.
   */
  readonly manifest?: string | undefined;
  /** Platforms, each of which selects one entry without changing its platform. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Select every image, but no attestation, in place of `manifest` and `platforms`. Default false. */
  readonly all?: boolean | undefined;
  readonly change: EntryChange;
  readonly listChange?: Omit<ListChange, 'subject'> | undefined;
  /** The subject of the list; null removes it. */
  readonly subject?: Location | null | undefined;
  /** Called only if a subject is read. */
  readonly stores?: (() => Stores | Promise<Stores>) | undefined;
  /** Treat unknown platforms, and variants that no client selects, as errors. Default false: as warnings. */
  readonly strict?: boolean | undefined;
  /**
   * Asks the user to choose among several entries; undefined if the user chooses none. Default: the user is not asked.
   */
  readonly choose?: ((candidates: readonly Entry[]) => Promise<Entry | undefined>) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

export interface Annotated {
  readonly draft: Draft;
  readonly list: string;
  /** The selected entries, after the edit; empty if only the list was annotated. */
  readonly entries: readonly AnnotatedEntry[];
  /** Whether the draft was written. */
  readonly changed: boolean;
}

export interface AnnotatedEntry {
  readonly entry: Entry;
  readonly changed: boolean;
}

/**
 * Sets or clears the platform and annotations of entries, or members of the list itself. Only a subject is read from a
 * registry.
 * @throws MlistError `ERR_MLIST_USAGE` if the change is empty; `ERR_MLIST_ENTRY_NOT_FOUND`; `ERR_MLIST_AMBIGUOUS` with
 * the candidates; `ERR_MLIST_LIST_INVALID` if several entries would get the same platform. Nothing is written then.
 */
export async function annotate(list: Reference | undefined, options: AnnotateOptions): Promise<Annotated> {
  const { workspace, change, signal, onEvent } = options;
  if (!hasChange(change) && !changesList(options)) throw emptyChange();
  const listChange: ListChange = { ...options.listChange, ...(await subjectChange(options)) };
  const target = await chosenList(workspace, list);
  const chosen = hasChange(change) ? await chooseEntries(await workspace.load(target), options) : [];
  let entries: readonly AnnotatedEntry[] = [];
  const {
    before: was,
    draft,
    changed,
  } = await workspace.update(
    target,
    (before) => {
      if (before === undefined) return undefined;
      const old = chosen.map((entry) => sameEntry(before, entry));
      const edited = changeList(changeEntries(before, old, change), listChange);
      entries = old.map((entry) => annotated(entry, edited.entries[before.entries.indexOf(entry)] ?? entry));
      if (old.length > 1) refuseNewDuplicates(before, edited);
      const changedEntries = entries.map(({ entry }) => entry);
      if (options.strict === true && old.length > 0) requireKnownPlatforms(edited, changedEntries);
      return edited;
    },
    { signal },
  );
  if (was !== undefined) reportFormatChange(was, draft, onEvent);
  warnAboutDraft(draft, onEvent);
  return { draft, list: formatReference(target), entries, changed };
}

function annotated(before: Entry, entry: Entry): AnnotatedEntry {
  return { entry, changed: !isDeepStrictEqual(before, entry) };
}

/** An edit of one image may make a duplicate until the other image is edited. An edit of several images must not. */
function refuseNewDuplicates(before: Draft, after: Draft): void {
  const duplicatesIn = (draft: Draft) =>
    checkDraft(draft).filter(({ rule, severity }) => rule === 'E-DUP-PLATFORM' && severity === 'error');
  const duplicates = duplicatesIn(after);
  const [first] = duplicates;
  if (first === undefined || duplicates.length <= duplicatesIn(before).length) return;
  throw new MlistError('ERR_MLIST_LIST_INVALID', `the edit would create duplicates: ${first.message}`, {
    reference: listName(after),
    problems: duplicates,
    hint: 'Nothing was changed. Select one image, or change members that do not identify a platform.',
  });
}

async function subjectChange({ subject, stores, signal }: AnnotateOptions): Promise<Pick<ListChange, 'subject'>> {
  if (subject === undefined) return {};
  if (subject === null) return { subject };
  const located = await (await stores?.())?.resolveLocation(subject, { signal });
  if (located === undefined) return {};
  return { subject: minimalDescriptor(await located.store.resolve(located.name, { signal })) };
}

function hasChange(change: object): boolean {
  return Object.values(change).some((member) => member !== undefined);
}

function changesList({ listChange = {}, subject }: AnnotateOptions): boolean {
  return hasChange(listChange) || subject !== undefined;
}

function emptyChange(): MlistError {
  return new MlistError('ERR_MLIST_USAGE', 'nothing to set or clear', { remedy: { kind: 'name-change' } });
}

/** Finds the chosen entry in the draft that was read under the lock: other commands may have edited or removed it. */
function sameEntry(draft: Draft, chosen: Entry): Entry {
  const key = manifestKey(chosen);
  const same = draft.entries.filter((entry) => manifestKey(entry) === key && sameLocation(entry.source, chosen.source));
  const exact = same.filter((entry) => JSON.stringify(entry.detected) === JSON.stringify(chosen.detected));
  const [entry] = exact.length > 0 ? exact : same;
  if (entry === undefined) throw entryNotFound(draft, sourceName(chosen));
  return entry;
}

async function chooseEntries(draft: Draft, options: AnnotateOptions): Promise<readonly Entry[]> {
  const { all = false, platforms = [] } = options;
  if (all) {
    const images = draft.entries.filter((entry) => !isAttestationEntry(entry));
    if (images.length === 0) throw entryNotFound(draft, 'that is an image');
    return images;
  }
  const [platform, ...others] = platforms;
  const chosen = [await chooseEntry(draft, { ...options, platform })];
  for (const other of others) chosen.push(await chooseEntry(draft, { ...options, platform: other }));
  return [...new Set(chosen)];
}

interface Choice extends AnnotateOptions {
  readonly platform: Platform | undefined;
}

async function chooseEntry(draft: Draft, options: Choice): Promise<Entry> {
  const { manifest, platform } = options;
  const candidates = manifest === undefined ? shortForm(draft, options) : entriesNamed(draft, manifest);
  const images = candidates.filter((entry) => !isAttestationEntry(entry));
  const pool = images.length > 0 ? images : candidates;
  const fitting = platform === undefined ? pool : pool.filter((entry) => matchesPlatform(platformOf(entry), platform));
  const [only, ...others] = fitting;
  if (only === undefined) throw noMatch(draft, pool, options);
  if (others.length === 0) return only;
  const answer = await options.choose?.(fitting);
  if (answer === undefined) throw ambiguous(draft, fitting);
  return answer;
}

/**
 * The error if the short form selects nothing. It explains that the options select the entry, because the user may have
 * expected them to change it.
 */
function noMatch(draft: Draft, pool: readonly Entry[], options: Choice): MlistError {
  const missed = entryNotFound(draft, describeRequested(draft, pool, options));
  if (options.manifest !== undefined || options.platform !== undefined) return missed;
  const hint =
    'Without a MANIFEST argument, --os and --arch select the image. To change them, select it by name or with --platform.';
  return withFurtherHint(missed, hint);
}

/**
 * The candidates without a MANIFEST argument: images that match --os and --arch, or all images without these options.
 */
function shortForm(draft: Draft, { change, platform }: Choice): readonly Entry[] {
  const images = draft.entries.filter((entry) => !isAttestationEntry(entry));
  const { os, architecture } = change.platform ?? {};
  if (platform !== undefined || (os == null && architecture == null)) return images;
  return images.filter((entry) => matchesShortForm(entry, change.platform ?? {}));
}

function describeRequested(draft: Draft, pool: readonly Entry[], options: Choice): string {
  const { manifest, platform, change } = options;
  const available = pool.flatMap((entry) => platformOf(entry) ?? []);
  const requested = platform === undefined ? undefined : platformNotFoundText(platform, available);
  if (manifest !== undefined) return requested === undefined ? manifest : `${manifest} for ${requested}`;
  return `for ${requested ?? describeShortForm(draft, change.platform ?? {})}`;
}

/** Describes the platforms that the short form selects, with the versions that could be selected instead. */
function describeShortForm(draft: Draft, given: PlatformSettings): string {
  const { 'os.version': version, ...withoutVersion } = given;
  const { os, architecture, variant } = withoutVersion;
  const name = `${os ?? '*'}${version == null ? '' : `(${version})`}`;
  const text = [name, architecture ?? '*', ...(variant == null ? [] : [variant])].join('/');
  const others = draft.entries.filter((entry) => matchesShortForm(entry, withoutVersion));
  const versions = others.flatMap((entry) => platformOf(entry)?.['os.version'] ?? []);
  return versions.length === 0 ? text : `${text} (there is ${versions.join(', ')}: select it with --platform)`;
}

/** The error for several matching entries. It lists, for each of them, arguments that select only this entry. */
function ambiguous(draft: Draft, entries: readonly Entry[]): MlistError {
  const isShared = new Set(entries.map((entry) => entry.digest)).size < entries.length;
  return new MlistError('ERR_MLIST_AMBIGUOUS', `${entries.length} entries of ${listName(draft)} match`, {
    reference: listName(draft),
    hint: `Select one of: ${entries.map(describeEntry).join(', ')}.`,
    candidates: entries.map(
      (entry) => shortDigest(entry.digest) + (isShared ? ` --platform '${platformText(entry)}'` : ''),
    ),
  });
}

function platformText(entry: Entry): string {
  const platform = platformOf(entry);
  return platform === undefined ? '' : formatPlatform(platform, { all: true });
}

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
   * The source, digest or digest prefix of the entry. If neither `manifest` nor `platforms` is set, the platform in
   * `change` selects the entry (the short form).
   */
  readonly manifest?: string | undefined;
  /** Select one entry for each of these platforms. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Select all images, but no attestations, instead of `manifest` and `platforms`. Default false. */
  readonly all?: boolean | undefined;
  readonly change: EntryChange;
  readonly listChange?: Omit<ListChange, 'subject'> | undefined;
  /** The subject of the list; null removes it. */
  readonly subject?: Location | null | undefined;
  /** Opens the stores. Called only if a subject has to be resolved. */
  readonly stores?: (() => Stores | Promise<Stores>) | undefined;
  /** Treat unknown platforms, and variants that no client selects, as errors. Default false: they are warnings. */
  readonly strict?: boolean | undefined;
  /**
   * Lets the user choose one of several matching entries. Returns undefined if the user chooses none. Default: several
   * matching entries are an error.
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
 * Sets or clears the platform, annotations and artifact type of entries, or annotations, artifact type and subject of
 * the list itself. Needs no store unless a subject has to be resolved. After an error, the draft is unchanged.
 * @throws MlistError `ERR_MLIST_USAGE` if the change is empty; `ERR_MLIST_ENTRY_NOT_FOUND` if no entry matches;
 * `ERR_MLIST_AMBIGUOUS` with the candidates if several entries match; `ERR_MLIST_LIST_INVALID` if several entries would
 * get the same platform
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

/**
 * Refuses an edit of several images that gives two images the same platform. An edit of one image may do so, because
 * the other image can be edited next.
 */
function refuseNewDuplicates(before: Draft, after: Draft): void {
  const duplicatesIn = (draft: Draft) =>
    checkDraft(draft).filter(({ rule, severity }) => rule === 'E-DUP-PLATFORM' && severity === 'error');
  const duplicates = duplicatesIn(after);
  const [first] = duplicates;
  if (first === undefined || duplicates.length <= duplicatesIn(before).length) return;
  throw new MlistError('ERR_MLIST_LIST_INVALID', `the edit would create duplicates: ${first.message}`, {
    reference: listName(after),
    problems: duplicates,
    hint: 'Nothing was changed. Select only one image, or do not change the platform.',
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

/**
 * Finds the chosen entry again in the draft that was read under the lock. Another command may have changed or removed
 * the entry.
 */
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
 * Returns the error for a selection without a matching entry. In the short form, the hint explains that the platform
 * options select the entry, because the user may have expected them to change it.
 */
function noMatch(draft: Draft, pool: readonly Entry[], options: Choice): MlistError {
  const missed = entryNotFound(draft, describeRequested(draft, pool, options));
  if (options.manifest !== undefined || options.platform !== undefined) return missed;
  const hint =
    'Without a MANIFEST argument, --os and --arch select the image. To change its platform, select it with MANIFEST or --platform.';
  return withFurtherHint(missed, hint);
}

/**
 * Returns the candidates for a command without a MANIFEST argument. If --os or --arch selects the image, these are the
 * images that match the given platform options. Otherwise, all images are candidates.
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

/**
 * Describes the platform that the short form requests. If there are images that differ from it only in the version,
 * lists their versions.
 */
function describeShortForm(draft: Draft, given: PlatformSettings): string {
  const { 'os.version': version, ...withoutVersion } = given;
  const { os, architecture, variant } = withoutVersion;
  const name = `${os ?? '*'}${version == null ? '' : `(${version})`}`;
  const text = [name, architecture ?? '*', ...(variant == null ? [] : [variant])].join('/');
  const others = draft.entries.filter((entry) => matchesShortForm(entry, withoutVersion));
  const versions = others.flatMap((entry) => platformOf(entry)?.['os.version'] ?? []);
  return versions.length === 0
    ? text
    : `${text} (available versions: ${versions.join(', ')}; select one with --platform)`;
}

/**
 * Returns the error for a selection with several matching entries. `candidates` contains, for each of these entries,
 * the arguments that select only this entry.
 */
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

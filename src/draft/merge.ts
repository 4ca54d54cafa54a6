import type { Digest } from '../oci/digest.ts';
import { sameLocation, type Location } from '../oci/location.ts';
import { platformKey, type Platform } from '../oci/platform/platform.ts';
import {
  contentId,
  descriptorKey,
  isAttestationEntry,
  isUnpushed,
  manifestKey,
  platformOf,
  sourceName,
  withManifest,
  type Draft,
  type Entry,
} from './draft.ts';
import { changeEntry, inheritSettings, withoutEntries, type EntryChange } from './draft-edit.ts';

/**
 * This file merges newly read sources into drafts, for `create`, `create --amend` and `add`. All functions are pure.
 */

/** The result of reading one MANIFEST argument: one image, or the entries of an index in their order. */
export interface ResolvedSource {
  readonly source: Location;
  readonly entries: readonly Entry[];
  /**
   * Sets the platform that the argument gives for its only image (`=PLATFORM`). It takes precedence over the settings
   * in the draft.
   */
  readonly platformChange?: EntryChange;
}

/** What happened to an entry, for the output. `folded`: the list already had an entry with the same descriptor. */
export type EntryEvent =
  | { readonly type: 'added'; readonly entry: Entry }
  | { readonly type: 'replaced'; readonly entry: Entry; readonly old: Digest }
  /** The manifest is the same, but its descriptor has changed, for example its platform. */
  | { readonly type: 'changed'; readonly entry: Entry }
  | { readonly type: 'unchanged'; readonly entry: Entry }
  | { readonly type: 'removed'; readonly entry: Entry }
  | { readonly type: 'folded'; readonly entry: Entry };

export interface Merged {
  readonly draft: Draft;
  readonly events: readonly EntryEvent[];
}

/** Appends the entries of the sources. Skips entries whose descriptor is already in the list. */
export function appendSources(draft: Draft, sources: readonly ResolvedSource[]): Merged {
  const entries = [...draft.entries];
  const events: EntryEvent[] = [];
  const seen = new Set(entries.map(descriptorKey));
  for (const entry of sources.flatMap((source) => source.entries)) {
    const isNew = !seen.has(descriptorKey(entry));
    if (isNew) entries.push(entry);
    seen.add(descriptorKey(entry));
    events.push({ type: isNew ? 'added' : 'folded', entry });
  }
  return { draft: { ...draft, entries }, events };
}

/**
 * Replaces all entries with the entries of the sources, in the order of the sources. An image that replaces an entry
 * from the same source inherits the author's settings of that entry.
 * @param start - the new draft, still without entries
 */
export function replaceSources(draft: Draft, start: Draft, sources: readonly ResolvedSource[]): Merged {
  const pairs: Pair[] = [];
  const inherited = sources.map((resolved) => {
    const old = { ...draft, entries: draft.entries.filter((entry) => isFrom(entry, resolved.source)) };
    const found = old.entries.length === 0 ? [] : pair(old, resolved);
    pairs.push(...found);
    const replacements = [...replacementsOf(old, found, resolved).values()];
    const entries = resolved.entries.map((entry) => replacements.find((one) => isReadingOf(one, entry)) ?? entry);
    return { ...resolved, entries };
  });
  const { draft: replaced, events } = appendSources(start, inherited);
  const pairOf = new Map(pairs.map((one) => [one.entry, one]));
  const kept = new Set(pairs.map(({ old }) => old));
  const removed = draft.entries.filter((entry) => !kept.has(entry) && !isAttestationEntry(entry));
  const reported = events.filter(({ type, entry }) => type === 'folded' || !isAttestationEntry(entry));
  return {
    draft: replaced,
    events: [...reported.map((event) => eventAgainst(event, pairOf.get(event.entry))), ...removed.map(removal)],
  };
}

/** Whether the replacement is this entry with the author's settings. */
function isReadingOf(replacement: Entry, entry: Entry): boolean {
  return manifestKey(replacement) === manifestKey(entry) && sameDetected(replacement, entry);
}

function eventAgainst(event: EntryEvent, known: Pair | undefined): EntryEvent {
  return event.type === 'added' && known !== undefined ? eventOf(known) : event;
}

/**
 * Updates one source. Its images replace the entries from this source or, if the list has no such entries, those for
 * the same platforms. Replaced entries keep their positions and the author's settings. Images that the source no longer
 * has are removed with their attestations. Other images are appended.
 */
export function mergeSource(draft: Draft, resolved: ResolvedSource): Merged {
  const pairs = pair(draft, resolved);
  const replacements = replacementsOf(draft, pairs, resolved);
  const paired = new Set(pairs.map(({ old }) => old));
  const removed = draft.entries.filter(
    (entry) => isFrom(entry, resolved.source) && !paired.has(entry) && !isAttestationEntry(entry),
  );
  const replaced = pairs.filter(({ entry, old }) => entry.digest !== old.digest).map(({ old }) => old);
  const remaining = new Set(withoutEntries(draft.entries, [...removed, ...replaced]));
  const kept = draft.entries.flatMap((entry) => {
    const replacement = replacements.get(entry);
    if (replacement !== undefined) return [replacement];
    return remaining.has(entry) && !isOutdated(entry, resolved) ? [entry] : [];
  });
  const added = resolved.entries.filter((entry) => !isAttestationEntry(entry) && !isPaired(entry, pairs));
  const isAdded = (entry: Entry) => added.includes(entry) || added.some((image) => image.digest === entry.attests);
  const entries = [...withNewAttestations(kept, pairs, resolved), ...resolved.entries.filter(isAdded)];
  return {
    draft: { ...draft, entries },
    events: [
      ...pairs.map(eventOf),
      ...removed.map(removal),
      ...added.map((entry) => ({ type: 'added', entry }) as const),
    ],
  };
}

/**
 * Splits a source whose entries are stored in several locations into one source per location. Attestations go with
 * their images.
 */
export function partsApart({ entries, platformChange }: ResolvedSource): readonly ResolvedSource[] {
  const sources = new Map(entries.map((entry) => [sourceName(entry), entry.source]));
  return [...sources.values()].map((source) => {
    const own = entries.filter((entry) => isFrom(entry, source));
    const digests = new Set(own.map(({ digest }) => digest));
    const isAttached = ({ attests }: Entry) => attests !== undefined && digests.has(attests);
    return {
      source,
      entries: entries.filter((entry) => own.includes(entry) || isAttached(entry)),
      ...(platformChange === undefined ? {} : { platformChange }),
    };
  });
}

/** Maps each image and attestation that is replaced to its new entry. */
function replacementsOf(draft: Draft, pairs: readonly Pair[], resolved: ResolvedSource): ReadonlyMap<Entry, Entry> {
  const replacements = new Map<Entry, Entry>();
  for (const { entry, old } of pairs) {
    replacements.set(old, entry);
    const before = draft.entries.filter((one) => one.attests === old.digest);
    for (const [place, fresh] of attestationsOf(entry, resolved).entries()) {
      const listed = before.find((one) => one.digest === fresh.digest);
      if (listed !== undefined) replacements.set(listed, entry === old ? listed : inheritSettings(fresh, listed));
      else if (before[place] !== undefined && entry.digest !== old.digest) replacements.set(before[place], fresh);
    }
  }
  return replacements;
}

/** Inserts new attestations, each after its image. */
function withNewAttestations(
  entries: readonly Entry[],
  pairs: readonly Pair[],
  resolved: ResolvedSource,
): readonly Entry[] {
  const images = new Set(pairs.map(({ entry }) => entry));
  const listed = new Set(entries.map(manifestKey));
  return entries.flatMap((entry) => {
    const missing = images.has(entry)
      ? attestationsOf(entry, resolved).filter((one) => !listed.has(manifestKey(one)))
      : [];
    for (const one of missing) listed.add(manifestKey(one));
    return [entry, ...missing];
  });
}

interface Pair {
  /** The newly read entry, with the settings of the old one. */
  readonly entry: Entry;
  readonly old: Entry;
}

function eventOf({ entry, old }: Pair): EntryEvent {
  if (entry.digest !== old.digest) return { type: 'replaced', entry, old: old.digest };
  return { type: descriptorKey(entry) === descriptorKey(old) ? 'unchanged' : 'changed', entry };
}

function removal(entry: Entry): EntryEvent {
  return { type: 'removed', entry };
}

function isPaired(entry: Entry, pairs: readonly Pair[]): boolean {
  return pairs.some(
    (one) =>
      contentId(one.entry) === contentId(entry) && (one.entry.image !== undefined || sameDetected(one.entry, entry)),
  );
}

/** Whether the source no longer has this attestation. */
function isOutdated(entry: Entry, resolved: ResolvedSource): boolean {
  if (!isAttestationEntry(entry) || !isFrom(entry, resolved.source)) return false;
  return !resolved.entries.some((one) => manifestKey(one) === manifestKey(entry));
}

function attestationsOf(image: Entry, resolved: ResolvedSource): readonly Entry[] {
  return resolved.entries.filter((entry) => entry.attests === image.digest);
}

/** Finds the old entry that each newly read image replaces. */
function pair(draft: Draft, { source, entries, platformChange = {} }: ResolvedSource): readonly Pair[] {
  const images = entries.filter((entry) => !isAttestationEntry(entry));
  const oldImages = draft.entries.filter((entry) => !isAttestationEntry(entry));
  const sameSource = oldImages.filter((entry) => isFrom(entry, source));
  const candidates = sameSource.length > 0 ? sameSource : oldImages;
  const isOneForOne = sameSource.length === 1 && images.length === 1;
  const free = new Set(candidates);
  return images.flatMap((image) => {
    const old = [...free].find(
      (one) => isOneForOne || (sameSource.length > 0 ? sameDetected(one, image) : sameEffective(one, image)),
    );
    if (old === undefined) return [];
    free.delete(old);
    const entry = keepManifest(image, old);
    const isSame = sameSource.length === 0 && old.digest === entry.digest;
    return [{ entry: isSame ? old : changeEntry(inheritSettings(entry, old), platformChange), old }];
  });
}

/**
 * Keeps the manifest that the first push has generated for an engine image, if the newly read image is the same one.
 */
function keepManifest(entry: Entry, old: Entry): Entry {
  return isUnpushed(entry) && contentId(old) === contentId(entry) ? withManifest(entry, old) : entry;
}

function isFrom(entry: Entry, source: Location): boolean {
  return sameLocation(entry.source, source);
}

function sameDetected(left: Entry, right: Entry): boolean {
  return keyOf(left.detected) === keyOf(right.detected);
}

function sameEffective(left: Entry, right: Entry): boolean {
  const platform = platformOf(right);
  return platform !== undefined && keyOf(platformOf(left)) === platformKey(platform);
}

function keyOf(platform: Platform | undefined): string {
  return platform === undefined ? '' : platformKey(platform);
}

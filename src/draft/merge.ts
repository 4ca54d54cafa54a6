import type { Digest } from '../oci/digest.ts';
import { platformKey, type Platform } from '../oci/platform/platform.ts';
import { descriptorOf, isAttestationEntry, manifestKey, platformOf, type Draft, type Entry } from './draft.ts';
import { changeEntry, inheritSettings, without, type EntryChange } from './draft-edit.ts';

/** Bringing newly read sources into a draft: `create`, `create --amend` and `add`. Pure. */

/** What one MANIFEST argument gave: one image, or the entries of an index in its order. */
export interface ResolvedSource {
  readonly source: string;
  readonly entries: readonly Entry[];
  /** The platform that the author said with it, which its only image has: it goes before what was set earlier. */
  readonly said?: EntryChange;
}

/** What happened to an entry, for people. */
export type EntryEvent =
  | { readonly type: 'added'; readonly entry: Entry }
  | { readonly type: 'replaced'; readonly entry: Entry; readonly old: Digest }
  /** The same image, described otherwise. */
  | { readonly type: 'changed'; readonly entry: Entry }
  | { readonly type: 'unchanged'; readonly entry: Entry }
  | { readonly type: 'removed'; readonly entry: Entry }
  | { readonly type: 'folded'; readonly entry: Entry };

export interface Merged {
  readonly draft: Draft;
  readonly events: readonly EntryEvent[];
}

/** Puts the sources behind what is there. An entry that is there already, word for word, stays one. */
export function appendSources(draft: Draft, sources: readonly ResolvedSource[]): Merged {
  const entries = [...draft.entries];
  const events: EntryEvent[] = [];
  const seen = new Set(entries.map(contentOf));
  for (const entry of sources.flatMap((source) => source.entries)) {
    const isNew = !seen.has(contentOf(entry));
    if (isNew) entries.push(entry);
    seen.add(contentOf(entry));
    events.push({ type: isNew ? 'added' : 'folded', entry });
  }
  return { draft: { ...draft, entries }, events };
}

/**
 * Makes the draft exactly the sources, in their order. What the author set by hand on entries of the same source stays.
 * @param start - the draft without entries
 */
export function replaceSources(draft: Draft, start: Draft, sources: readonly ResolvedSource[]): Merged {
  const pairs: Pair[] = [];
  const settled = sources.map((resolved) => {
    const old = { ...draft, entries: draft.entries.filter(({ source }) => source === resolved.source) };
    const found = old.entries.length === 0 ? [] : pair(old, resolved);
    pairs.push(...found);
    const heirs = [...heirsOf(old, found, resolved).values()];
    const entries = resolved.entries.map((entry) => heirs.find((heir) => isReadingOf(heir, entry)) ?? entry);
    return { ...resolved, entries };
  });
  const { draft: made, events } = appendSources(start, settled);
  const before = new Map(pairs.map((one) => [one.entry, one]));
  const kept = new Set(pairs.map(({ old }) => old));
  const gone = draft.entries.filter((entry) => !kept.has(entry) && !isAttestationEntry(entry));
  const told = events.filter(({ type, entry }) => type === 'folded' || !isAttestationEntry(entry));
  return {
    draft: made,
    events: [...told.map((event) => eventAgainst(event, before.get(event.entry))), ...gone.map(removal)],
  };
}

/** Whether an entry is what was read here, whatever the author set on it. */
function isReadingOf(heir: Entry, entry: Entry): boolean {
  return manifestKey(heir) === manifestKey(entry) && sameDetected(heir, entry);
}

function eventAgainst(event: EntryEvent, known: Pair | undefined): EntryEvent {
  return event.type === 'added' && known !== undefined ? eventOf(known) : event;
}

/** What an entry is in the list, wherever it was read. */
function contentOf(entry: Entry): string {
  return JSON.stringify(descriptorOf(entry));
}

/**
 * Brings one source up to date: entries of the same source are replaced in their places, entries of the same platform
 * else; what the author set by hand stays. What the source no longer has goes, with its attestations.
 */
export function mergeSource(draft: Draft, resolved: ResolvedSource): Merged {
  const pairs = pair(draft, resolved);
  const heirs = heirsOf(draft, pairs, resolved);
  const paired = new Set(pairs.map(({ old }) => old));
  const gone = draft.entries.filter(
    (entry) => entry.source === resolved.source && !paired.has(entry) && !isAttestationEntry(entry),
  );
  const replaced = pairs.filter(({ entry, old }) => entry.digest !== old.digest).map(({ old }) => old);
  const remaining = new Set(without(draft.entries, [...gone, ...replaced]));
  const kept = draft.entries.flatMap((entry) => {
    const heir = heirs.get(entry);
    if (heir !== undefined) return [heir];
    return remaining.has(entry) && !isOutdated(entry, resolved) ? [entry] : [];
  });
  const added = resolved.entries.filter((entry) => !isAttestationEntry(entry) && !isPaired(entry, pairs));
  const isAdded = (entry: Entry) => added.includes(entry) || added.some((image) => image.digest === entry.attests);
  const entries = [...withNewAttestations(kept, pairs, resolved), ...resolved.entries.filter(isAdded)];
  return {
    draft: { ...draft, entries },
    events: [...pairs.map(eventOf), ...gone.map(removal), ...added.map((entry) => ({ type: 'added', entry }) as const)],
  };
}

/** What takes the place of an old entry: the new reading of an image, and of each of its attestations. */
function heirsOf(draft: Draft, pairs: readonly Pair[], resolved: ResolvedSource): ReadonlyMap<Entry, Entry> {
  const heirs = new Map<Entry, Entry>();
  for (const { entry, old } of pairs) {
    heirs.set(old, entry);
    const before = draft.entries.filter((one) => one.attests === old.digest);
    for (const [place, fresh] of attestationsOf(entry, resolved).entries()) {
      const listed = before.find((one) => one.digest === fresh.digest);
      if (listed !== undefined) heirs.set(listed, entry === old ? listed : inheritSettings(fresh, listed));
      else if (before[place] !== undefined && entry.digest !== old.digest) heirs.set(before[place], fresh);
    }
  }
  return heirs;
}

/** Puts the attestations that have no place yet behind their images. */
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
  /** The new reading, with the settings of the old one. */
  readonly entry: Entry;
  readonly old: Entry;
}

function eventOf({ entry, old }: Pair): EntryEvent {
  if (entry.digest !== old.digest) return { type: 'replaced', entry, old: old.digest };
  return { type: contentOf(entry) === contentOf(old) ? 'unchanged' : 'changed', entry };
}

function removal(entry: Entry): EntryEvent {
  return { type: 'removed', entry };
}

function isPaired(entry: Entry, pairs: readonly Pair[]): boolean {
  return pairs.some((one) => one.entry.digest === entry.digest && sameDetected(one.entry, entry));
}

/** Attestations that the source no longer has. Those that it has were read again with it, and replaced the old ones. */
function isOutdated(entry: Entry, resolved: ResolvedSource): boolean {
  if (!isAttestationEntry(entry) || entry.source !== resolved.source) return false;
  return !resolved.entries.some((one) => manifestKey(one) === manifestKey(entry));
}

function attestationsOf(image: Entry, resolved: ResolvedSource): readonly Entry[] {
  return resolved.entries.filter((entry) => entry.attests === image.digest);
}

/** Which old entry each new one stands for. */
function pair(draft: Draft, { source, entries, said }: ResolvedSource): readonly Pair[] {
  const images = entries.filter((entry) => !isAttestationEntry(entry));
  const present = draft.entries.filter((entry) => !isAttestationEntry(entry));
  const sameSource = present.filter((entry) => entry.source === source);
  const candidates = sameSource.length > 0 ? sameSource : present;
  const isOneForOne = sameSource.length === 1 && images.length === 1;
  const free = new Set(candidates);
  return images.flatMap((entry) => {
    const old = [...free].find(
      (one) => isOneForOne || (sameSource.length > 0 ? sameDetected(one, entry) : sameEffective(one, entry)),
    );
    if (old === undefined) return [];
    free.delete(old);
    const isSame = sameSource.length === 0 && old.digest === entry.digest;
    return [{ entry: isSame ? old : changeEntry(inheritSettings(entry, old), said ?? {}), old }];
  });
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

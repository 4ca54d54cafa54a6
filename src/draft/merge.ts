import type { Digest } from '../oci/digest.ts';
import { platformKey, type Platform } from '../oci/platform.ts';
import { descriptorOf, isAttestationEntry, platformOf, type Draft, type Entry } from './draft.ts';
import { inheritSettings, without } from './edit.ts';

/** Bringing newly read sources into a draft: `create`, `create --amend` and `add`. Pure. */

/** What one MANIFEST argument gave: one image, or the entries of an index in its order. */
export interface ResolvedSource {
  readonly source: string;
  readonly entries: readonly Entry[];
}

/** What happened to an entry, for people. */
export type EntryEvent =
  | { readonly type: 'added'; readonly entry: Entry }
  | { readonly type: 'replaced'; readonly entry: Entry; readonly old: Digest }
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
  const replaced = new Map(pairs.filter(({ entry, old }) => entry !== old).map(({ entry, old }) => [old, entry]));
  const paired = new Set(pairs.map(({ old }) => old));
  const gone = draft.entries.filter(
    (entry) => entry.source === resolved.source && !paired.has(entry) && !isAttestationEntry(entry),
  );
  const remaining = new Set(without(draft.entries, [...gone, ...replaced.keys()]));
  const entries = draft.entries.flatMap((entry) => {
    const fresh = replaced.get(entry);
    if (fresh !== undefined) return [fresh, ...attestationsOf(fresh, resolved)];
    if (paired.has(entry))
      return [entry, ...attestationsOf(entry, resolved).filter((one) => !isListed(one, remaining))];
    return remaining.has(entry) && !isOutdated(entry, resolved) ? [entry] : [];
  });
  const added = resolved.entries.filter((entry) => !isAttestationEntry(entry) && !isPaired(entry, pairs));
  const withAttestations = resolved.entries.filter(
    (entry) => added.includes(entry) || added.some((image) => image.digest === entry.attests),
  );
  return {
    draft: { ...draft, entries: [...entries, ...withAttestations] },
    events: [...pairs.map(eventOf), ...gone.map(removal), ...added.map((entry) => ({ type: 'added', entry }) as const)],
  };
}

interface Pair {
  /** The new reading, with the settings of the old one. */
  readonly entry: Entry;
  readonly old: Entry;
}

function eventOf({ entry, old }: Pair): EntryEvent {
  return entry.digest === old.digest ? { type: 'unchanged', entry } : { type: 'replaced', entry, old: old.digest };
}

function removal(entry: Entry): EntryEvent {
  return { type: 'removed', entry };
}

function isPaired(entry: Entry, pairs: readonly Pair[]): boolean {
  return pairs.some((one) => one.entry.digest === entry.digest && sameDetected(one.entry, entry));
}

function isListed(attestation: Entry, entries: ReadonlySet<Entry>): boolean {
  return [...entries].some((entry) => entry.digest === attestation.digest);
}

/** Attestations of the source, read anew with it, take the place of the old ones. */
function isOutdated(entry: Entry, resolved: ResolvedSource): boolean {
  return isAttestationEntry(entry) && entry.source === resolved.source;
}

function attestationsOf(image: Entry, resolved: ResolvedSource): readonly Entry[] {
  return resolved.entries.filter((entry) => entry.attests === image.digest);
}

/** Which old entry each new one stands for. */
function pair(draft: Draft, { source, entries }: ResolvedSource): readonly Pair[] {
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
    return [{ entry: isSame ? old : inheritSettings(entry, old), old }];
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

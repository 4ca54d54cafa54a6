import { attestedDigest, isAttestation, type Descriptor } from './descriptor.ts';
import { jsonKey, memberNames, sameJson, type Json, type JsonObject } from '../json/json.ts';
import type { Index } from './manifest.ts';
import { formatPlatform, platformKey } from './platform/platform.ts';

/** This module compares two lists entry by entry. */

/** A member whose value has changed. `before` or `after` is absent if the member was added or removed. */
export interface MemberChange {
  /**
   * The name of the member. Members of platforms and annotations have a prefix: `platform.variant`, `annotations.k`.
   */
  readonly member: string;
  readonly before?: Json;
  readonly after?: Json;
}

export type EntryDifference =
  | { readonly type: 'added'; readonly name: string; readonly after: Descriptor }
  | { readonly type: 'removed'; readonly name: string; readonly before: Descriptor }
  | {
      readonly type: 'changed' | 'moved' | 'same';
      readonly name: string;
      readonly before: Descriptor;
      readonly after: Descriptor;
      readonly changes: readonly MemberChange[];
    };

export interface ListDiff {
  /** Changes to the list's own members, such as mediaType and annotations. */
  readonly list: readonly MemberChange[];
  /** All entries of the new list, in its order, followed by the removed entries. */
  readonly entries: readonly EntryDifference[];
}

export function diffLists(before: Index, after: Index): ListDiff {
  return { list: diffMembers(before, after, ['manifests']), entries: diffEntries(before.manifests, after.manifests) };
}

/** Whether two lists have equal members and entries. Their bytes may still differ. */
export function isSameList({ list, entries }: ListDiff): boolean {
  return list.length === 0 && entries.every(({ type }) => type === 'same');
}

function diffEntries(before: readonly Descriptor[], after: readonly Descriptor[]): readonly EntryDifference[] {
  const pairs = pair(before, after);
  const matched = after.flatMap((entry) => pairs.get(entry) ?? []);
  const positions = new Map(before.map((entry, at) => [entry, at]));
  const inOrder = new Set(longestRun(matched.map((entry) => positions.get(entry) ?? -1)).map((at) => before[at]));
  const [images, oldImages] = [byDigest(after), byDigest(before)];
  const changes = after.map((entry): EntryDifference => {
    const old = pairs.get(entry);
    const name = nameOf(entry, images);
    if (old === undefined) return { type: 'added', name, after: entry };
    const members = diffMembers(old, entry, []);
    const type = members.length > 0 ? 'changed' : inOrder.has(old) ? 'same' : 'moved';
    return { type, name, before: old, after: entry, changes: members };
  });
  const kept = new Set(matched);
  const removed = before.filter((entry) => !kept.has(entry));
  return [
    ...changes,
    ...removed.map((entry): EntryDifference => ({ type: 'removed', name: nameOf(entry, oldImages), before: entry })),
  ];
}

/** The first entry with each digest, keyed by digest. */
type ByDigest = ReadonlyMap<string, Descriptor>;

function byDigest(list: readonly Descriptor[]): ByDigest {
  return new Map(list.map((entry) => [entry.digest, entry] as const).reverse());
}

/** Pairs new entries with old ones: first by digest, then by the platform of the image, or of the attested image. */
function pair(before: readonly Descriptor[], after: readonly Descriptor[]): ReadonlyMap<Descriptor, Descriptor> {
  const unmatched = new Set(before);
  const pairs = new Map<Descriptor, Descriptor>();
  /** Pairs entries with equal keys. Entries without a key are not paired. */
  const match = (oldKey: (old: Descriptor) => string | undefined, newKey = oldKey): void => {
    const byKey = new Map<string, Descriptor[]>();
    for (const old of [...unmatched].reverse()) {
      const key = oldKey(old);
      if (key === undefined) continue;
      const sharing = byKey.get(key);
      if (sharing === undefined) byKey.set(key, [old]);
      else sharing.push(old);
    }
    for (const entry of after) {
      const key = pairs.has(entry) ? undefined : newKey(entry);
      const old = key === undefined ? undefined : byKey.get(key)?.pop();
      if (old === undefined) continue;
      pairs.set(entry, old);
      unmatched.delete(old);
    }
  };
  match((entry) => JSON.stringify([imageKey(entry), attestedDigest(entry)]));
  match(imageKey);
  match(({ digest }) => digest);
  const [images, oldImages] = [byDigest(after), byDigest(before)];
  match(
    (old) => roleOf(old, oldImages),
    (entry) => roleOf(entry, images),
  );
  return pairs;
}

function imageKey({ digest, platform }: Descriptor): string {
  return `${digest} ${jsonKey(platform)}`;
}

/**
 * Returns a key for the role of an entry: the image for a platform, or the attestation of such an image. Returns
 * undefined if the image has no platform, or is not in the list.
 */
function roleOf(entry: Descriptor, images: ByDigest): string | undefined {
  if (!isAttestation(entry)) return entry.platform && platformKey(entry.platform);
  const platform = images.get(attestedDigest(entry) ?? '')?.platform;
  return platform && `attestation of ${platformKey(platform)}`;
}

/** Returns the name of an entry: its platform, otherwise its type. An attestation is named after its image. */
function nameOf(entry: Descriptor, images: ByDigest): string {
  const platform = entry.platform === undefined ? undefined : formatPlatform(entry.platform, { all: true });
  if (!isAttestation(entry)) return platform ?? entry.artifactType ?? entry.mediaType;
  const image = images.get(attestedDigest(entry) ?? '');
  return `attestation of ${image?.platform === undefined ? (attestedDigest(entry) ?? 'an unknown image') : formatPlatform(image.platform, { all: true })}`;
}

const comparedByMember = ['platform', 'annotations'];

function diffMembers(before: object, after: object, except: readonly string[], prefix = ''): readonly MemberChange[] {
  const names = [...new Set([...memberNames(before), ...memberNames(after)])].filter((name) => !except.includes(name));
  return names.flatMap((name): readonly MemberChange[] => {
    const [old, current] = [(before as JsonObject)[name], (after as JsonObject)[name]];
    if (sameJson(old, current)) return [];
    if (prefix === '' && comparedByMember.includes(name))
      return diffMembers((old ?? {}) as object, (current ?? {}) as object, [], `${name}.`);
    return [
      {
        member: prefix + name,
        ...(old === undefined ? {} : { before: old }),
        ...(current === undefined ? {} : { after: current }),
      },
    ];
  });
}

/** Returns the longest increasing subsequence. The entries at these positions have not moved. */
function longestRun(numbers: readonly number[]): readonly number[] {
  const ends: number[] = [];
  const previous = numbers.map(() => -1);
  numbers.forEach((value, at) => {
    const length = lowerBound(ends.length, (place) => (numbers[ends[place] ?? 0] ?? 0) >= value);
    previous[at] = length > 0 ? (ends[length - 1] ?? -1) : -1;
    ends[length] = at;
  });
  const run: number[] = [];
  for (let at = ends.at(-1) ?? -1; at >= 0; at = previous[at] ?? -1) run.push(numbers[at] ?? 0);
  return run.reverse();
}

/**
 * Returns the lowest place below `places` for which `isReached` is true, or `places` if it is false for all (binary
 * search).
 * @param isReached - if it is true for a place, it must be true for all higher places
 */
function lowerBound(places: number, isReached: (place: number) => boolean): number {
  let [low, high] = [0, places];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isReached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

import { attestedDigest, isAttestation, type Descriptor } from './descriptor.ts';
import { memberNames, sameJson, type Json, type JsonObject } from '../json/json.ts';
import type { Index } from './manifest.ts';
import { formatPlatform, platformKey } from './platform/platform.ts';

/** Compares two lists entry by entry. */

/** A member with different values. `before` or `after` is absent if the respective list lacks the member. */
export interface MemberChange {
  /** Name of the member. Members of a platform or of annotations have a prefix: `platform.variant`, `annotations.k`. */
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
  /** Changes of the list's own members, such as mediaType and annotations. */
  readonly list: readonly MemberChange[];
  /** The changed entries in the order of the new list, followed by the removed entries. */
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
  const inOrder = new Set(longestRun(matched.map((entry) => before.indexOf(entry))).map((at) => before[at]));
  const changes = after.map((entry): EntryDifference => {
    const old = pairs.get(entry);
    const name = nameOf(entry, after);
    if (old === undefined) return { type: 'added', name, after: entry };
    const members = diffMembers(old, entry, []);
    const type = members.length > 0 ? 'changed' : inOrder.has(old) ? 'same' : 'moved';
    return { type, name, before: old, after: entry, changes: members };
  });
  const removed = before.filter((entry) => !matched.includes(entry));
  return [
    ...changes,
    ...removed.map((entry): EntryDifference => ({ type: 'removed', name: nameOf(entry, before), before: entry })),
  ];
}

/** Pairs new entries with old ones: by digest first, then by platform or by the platform of the attested image. */
function pair(before: readonly Descriptor[], after: readonly Descriptor[]): ReadonlyMap<Descriptor, Descriptor> {
  const unmatched = new Set(before);
  const pairs = new Map<Descriptor, Descriptor>();
  const match = (same: (old: Descriptor, entry: Descriptor) => boolean) => {
    for (const entry of after) {
      const old = pairs.has(entry) ? undefined : [...unmatched].find((candidate) => same(candidate, entry));
      if (old === undefined) continue;
      pairs.set(entry, old);
      unmatched.delete(old);
    }
  };
  match((old, entry) => isSameImage(old, entry) && attestedDigest(old) === attestedDigest(entry));
  match(isSameImage);
  match((old, entry) => old.digest === entry.digest);
  match((old, entry) => roleOf(old, before) !== undefined && roleOf(old, before) === roleOf(entry, after));
  return pairs;
}

function isSameImage(left: Descriptor, right: Descriptor): boolean {
  return left.digest === right.digest && sameJson(left.platform, right.platform);
}

/** The role of an entry: the image for a platform, or the attestation of that image. */
function roleOf(entry: Descriptor, list: readonly Descriptor[]): string | undefined {
  if (!isAttestation(entry)) return entry.platform && platformKey(entry.platform);
  const image = list.find(({ digest }) => digest === attestedDigest(entry));
  return image?.platform && `attestation of ${platformKey(image.platform)}`;
}

/** The name of an entry in messages: its platform, else its type; for an attestation, the name of its image. */
function nameOf(entry: Descriptor, list: readonly Descriptor[]): string {
  const platform = entry.platform === undefined ? undefined : formatPlatform(entry.platform, { all: true });
  if (!isAttestation(entry)) return platform ?? entry.artifactType ?? entry.mediaType;
  const image = list.find(({ digest }) => digest === attestedDigest(entry));
  return `attestation of ${image?.platform === undefined ? (attestedDigest(entry) ?? 'nothing') : formatPlatform(image.platform, { all: true })}`;
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

/** The longest increasing subsequence, which identifies the entries that did not move. */
function longestRun(numbers: readonly number[]): readonly number[] {
  const ends: number[] = [];
  const previous = numbers.map(() => -1);
  numbers.forEach((value, at) => {
    const place = ends.findIndex((end) => (numbers[end] ?? 0) >= value);
    const length = place < 0 ? ends.length : place;
    previous[at] = length > 0 ? (ends[length - 1] ?? -1) : -1;
    ends[length] = at;
  });
  const run: number[] = [];
  for (let at = ends.at(-1) ?? -1; at >= 0; at = previous[at] ?? -1) run.unshift(numbers[at] ?? 0);
  return run;
}

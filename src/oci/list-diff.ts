import { attestedDigest, isAttestation, type Descriptor } from './descriptor.ts';
import { memberNames, sameJson, type Json, type JsonObject } from '../json/json.ts';
import type { Index } from './manifest.ts';
import { formatPlatform, platformKey } from './platform/platform.ts';

/** What sets one list apart from another, entry by entry. Pure. */

/** A member that is not the same; absent on one side where it is not there. */
export interface MemberChange {
  /** Name of the member; inside a platform or annotations with a dot: `platform.variant`, `annotations.k`. */
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
  /** Of the list itself: type, annotations and so on. */
  readonly list: readonly MemberChange[];
  /** In the order of the new list; what was removed at the end. */
  readonly entries: readonly EntryDifference[];
}

export function diffLists(before: Index, after: Index): ListDiff {
  return { list: diffMembers(before, after, ['manifests']), entries: diffEntries(before.manifests, after.manifests) };
}

/** Whether two lists say the same; their bytes may still differ. */
export function isSameList({ list, entries }: ListDiff): boolean {
  return list.length === 0 && entries.every(({ type }) => type === 'same');
}

function diffEntries(before: readonly Descriptor[], after: readonly Descriptor[]): readonly EntryDifference[] {
  const pairs = pair(before, after);
  const kept = after.flatMap((entry) => pairs.get(entry) ?? []);
  const inOrder = new Set(longestRun(kept.map((entry) => before.indexOf(entry))).map((at) => before[at]));
  const changes = after.map((entry): EntryDifference => {
    const old = pairs.get(entry);
    const name = nameOf(entry, after);
    if (old === undefined) return { type: 'added', name, after: entry };
    const members = diffMembers(old, entry, []);
    const type = members.length > 0 ? 'changed' : inOrder.has(old) ? 'same' : 'moved';
    return { type, name, before: old, after: entry, changes: members };
  });
  const gone = before.filter((entry) => !kept.includes(entry));
  return [
    ...changes,
    ...gone.map((entry): EntryDifference => ({ type: 'removed', name: nameOf(entry, before), before: entry })),
  ];
}

/** Which old entry each new one stands for: the same digest first, else the same platform or the same image attested. */
function pair(before: readonly Descriptor[], after: readonly Descriptor[]): ReadonlyMap<Descriptor, Descriptor> {
  const free = new Set(before);
  const pairs = new Map<Descriptor, Descriptor>();
  const match = (same: (old: Descriptor, entry: Descriptor) => boolean) => {
    for (const entry of after) {
      const old = pairs.has(entry) ? undefined : [...free].find((one) => same(one, entry));
      if (old === undefined) continue;
      pairs.set(entry, old);
      free.delete(old);
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

/** What an entry is there for: an image of a platform, or the attestation of one. */
function roleOf(entry: Descriptor, list: readonly Descriptor[]): string | undefined {
  if (!isAttestation(entry)) return entry.platform && platformKey(entry.platform);
  const image = list.find((one) => one.digest === attestedDigest(entry));
  return image?.platform && `attestation of ${platformKey(image.platform)}`;
}

/** How people call an entry. */
function nameOf(entry: Descriptor, list: readonly Descriptor[]): string {
  const platform = entry.platform === undefined ? undefined : formatPlatform(entry.platform, { all: true });
  if (!isAttestation(entry)) return platform ?? entry.artifactType ?? entry.mediaType;
  const image = list.find((one) => one.digest === attestedDigest(entry));
  return `attestation of ${image?.platform === undefined ? (attestedDigest(entry) ?? 'nothing') : formatPlatform(image.platform, { all: true })}`;
}

/** Members whose own members are compared one by one. */
const opened = ['platform', 'annotations'];

function diffMembers(before: object, after: object, leave: readonly string[], prefix = ''): readonly MemberChange[] {
  const [old, now] = [before as JsonObject, after as JsonObject];
  const names = [...new Set([...memberNames(before), ...memberNames(after)])].filter((name) => !leave.includes(name));
  return names.flatMap((name): readonly MemberChange[] => {
    const [one, other] = [old[name], now[name]];
    if (sameJson(one, other)) return [];
    if (prefix === '' && opened.includes(name))
      return diffMembers((one ?? {}) as object, (other ?? {}) as object, [], `${name}.`);
    return [
      {
        member: prefix + name,
        ...(one === undefined ? {} : { before: one }),
        ...(other === undefined ? {} : { after: other }),
      },
    ];
  });
}

/** The longest rising run in a row of numbers: what did not have to move. */
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

import { normalizePlatform, samePlatform, type Platform } from '../oci/platform/platform.ts';
import { rankEntries, ranker } from '../oci/platform/matching.ts';
import {
  tieNote,
  noSelection,
  failedSelection,
  unreadableReason,
  type Selection,
  type Considered,
} from './selection.ts';
import {
  hostPlatform,
  platformName,
  type RequestedPlatform,
  type Candidate,
  type CandidateList,
} from './candidates.ts';

/**
 * containerd 1.7 and 2 (core/images/image.go `Manifest`, which client pulls, CRI, nerdctl and Docker's containerd store
 * come down to) with containerd/platforms v1.0.0-rc.4: what `Only(wanted)` matches is sorted, and the first is all that
 * is looked at. An entry without a platform matches and comes last; if it is taken, the config of the image decides.
 */
export function selectAsContainerd(list: CandidateList, asked: RequestedPlatform): Selection {
  return choose(list.entries, asked.platform, asked.own === true);
}

/**
 * Docker with the containerd store from moby#52773 (June 2026) on: the same, and where nothing is asked for, the level
 * of an amd64 CPU counts. Before, it is as containerd.
 */
export function selectAsDocker(list: CandidateList, asked: RequestedPlatform): Selection {
  return choose(list.entries, hostPlatform(asked), asked.own === true);
}

function choose(entries: readonly Candidate[], wanted: Platform, own: boolean): Selection {
  const tries = rankCandidates(entries, wanted, own);
  const considered = { wants: acceptedPlatforms(wanted).map(platformName), tries };
  const [best] = tries;
  if (best === undefined) return noSelection(considered);
  const because = unreadableReason(best);
  if (because !== undefined) return failedSelection(considered, best, because);
  if (best.entries !== undefined) return inside(best, choose(best.entries, wanted, own), considered);
  if (best.descriptor.platform === undefined) return byConfig(best, wanted, considered);
  return { ...considered, picked: best, ...explain(best, wanted, tries) };
}

/** The entries that match, best first. */
export function rankCandidates(entries: readonly Candidate[], wanted: Platform, own: boolean): readonly Candidate[] {
  const selectable = entries.map((offer) => ({ offer, platform: withOs(offer.descriptor.platform, wanted.os) }));
  if (!own || wanted.os !== 'windows') return rankEntries(selectable, wanted).map(({ offer }) => offer);
  // platforms.Default of a Windows host: its own architecture only, the greatest os.version first, compared as text.
  const rank = ranker(wanted);
  return selectable
    .filter(({ platform }) => platform === undefined || rank(platform) === 0)
    .map(({ offer }) => offer)
    .sort(byVersion);
}

/** An empty os is read as that of the client, which is taken to run what it asks for. */
function withOs(platform: Platform | undefined, os: string): Platform | undefined {
  return platform?.os === '' ? { ...platform, os } : platform;
}

function byVersion({ descriptor: left }: Candidate, { descriptor: right }: Candidate): number {
  if (left.platform === undefined || right.platform === undefined) {
    return Number(left.platform === undefined) - Number(right.platform === undefined);
  }
  const [one, other] = [left.platform['os.version'] ?? '', right.platform['os.version'] ?? ''];
  return one === other ? 0 : one > other ? -1 : 1;
}

function inside(index: Candidate, choice: Selection, considered: Considered): Selection {
  return { ...choice, ...considered, reason: `entry ${index.place} is an index; in it: ${choice.reason}` };
}

function byConfig(entry: Candidate, wanted: Platform, considered: Considered): Selection {
  const { stated } = entry;
  if (stated === undefined || ranker(wanted)(stated) === undefined) {
    const says = stated === undefined ? 'states no platform either' : `says ${platformName(stated)}`;
    return failedSelection(considered, entry, `the entry states no platform, and the image's config ${says}`);
  }
  const reason = `no other entry fits; it states no platform, but the image's config says ${platformName(stated)}`;
  return { ...considered, picked: entry, why: 'no-platform', reason };
}

function explain(entry: Candidate, wanted: Platform, tries: readonly Candidate[]): Pick<Selection, 'why' | 'reason'> {
  const { platform } = entry.descriptor;
  if (platform === undefined) return { why: 'no-platform', reason: 'no other entry fits' };
  const equals = tries.filter(({ descriptor }) => descriptor.platform && samePlatform(descriptor.platform, platform));
  const tie = tieNote(entry, equals);
  if (ranker(wanted)(platform) === 0) return { why: 'exact', reason: `the platform itself${tie}` };
  return { why: 'compatible', reason: `the best that a machine of ${platformName(wanted)} also runs${tie}` };
}

const arm64Variants = [
  ...['v9.7', 'v9.6', 'v9.5', 'v9.4', 'v9.3', 'v9.2', 'v9.1', 'v9'],
  ...['v8.9', 'v8.8', 'v8.7', 'v8.6', 'v8.5', 'v8.4', 'v8.3', 'v8.2', 'v8.1', ''],
];
// Maps, because an architecture may be any text, such as "constructor".
const variants = new Map([
  ['amd64', ['v4', 'v3', 'v2', '']],
  ['arm', ['v8', 'v7', 'v6', 'v5']],
  ['arm64', arm64Variants],
]);
const narrower = new Map([
  ['amd64', ['amd64', '386']],
  ['arm64', ['arm64', 'arm']],
]);

/** What matches a wanted platform, best first. */
export function acceptedPlatforms(wanted: Platform): readonly Platform[] {
  const { architecture } = normalizePlatform(wanted);
  const known = (narrower.get(architecture) ?? [architecture]).flatMap((name) =>
    (variants.get(name) ?? ['']).map((variant) => withMachine(wanted, name, variant)),
  );
  const ranks = known.map((platform) => ({ platform }));
  const ordered = rankEntries(ranks, wanted).map(({ platform }) => platform);
  return ordered.some((platform) => samePlatform(platform, wanted)) ? ordered : [wanted, ...ordered];
}

function withMachine(platform: Platform, architecture: string, variant: string): Platform {
  const { os, 'os.version': version, 'os.features': features } = platform;
  return {
    architecture,
    os,
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
    ...(variant === '' ? {} : { variant }),
  };
}

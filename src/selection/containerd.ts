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
 * Selects an entry in the same way as containerd 1.7 and 2 (core/images/image.go `Manifest`, with containerd/platforms
 * v1.0.0-rc.4). Client pulls, CRI, nerdctl and the containerd store of Docker all call `Manifest`. The entries that
 * match the requested platform (`platforms.Only`) or the host (`platforms.Default`) are sorted, best first, and only
 * the first one is tried. An entry without a platform is accepted and sorted last; if it is tried, the platform in its
 * image config must match.
 */
export function selectAsContainerd(list: CandidateList, requested: RequestedPlatform): Selection {
  return select(list.entries, requested.platform, requested.own === true);
}

/**
 * Selects as Docker with the containerd image store has done since moby#52773 (June 2026): like containerd, but if no
 * platform is requested, the level of an amd64 CPU is taken into account. Older versions select like containerd.
 */
export function selectAsDocker(list: CandidateList, requested: RequestedPlatform): Selection {
  return select(list.entries, hostPlatform(requested), requested.own === true);
}

function select(entries: readonly Candidate[], requested: Platform, own: boolean): Selection {
  const matches = rankCandidates(entries, requested, own);
  const considered = { wants: acceptedPlatforms(requested).map(platformName), tries: matches };
  const [best] = matches;
  if (best === undefined) return noSelection(considered);
  const failure = unreadableReason(best);
  if (failure !== undefined) return failedSelection(considered, best, failure);
  if (best.entries !== undefined) return fromIndex(best, select(best.entries, requested, own), considered);
  const { platform } = best.descriptor;
  if (platform === undefined) return selectByConfig(best, requested, considered);
  return { ...considered, selected: best, ...explainMatch(best, platform, requested, matches) };
}

/**
 * Returns the matching entries, best first.
 * @param own - whether no platform was requested. If so, the client uses the default platform of its host
 */
export function rankCandidates(entries: readonly Candidate[], requested: Platform, own: boolean): readonly Candidate[] {
  const selectable = entries.map((entry) => {
    const { platform } = entry.descriptor;
    return { entry, platform: platform && withOs(platform, requested.os) };
  });
  if (!own || requested.os !== 'windows') return rankEntries(selectable, requested).map(({ entry }) => entry);
  // On Windows, platforms.Default accepts only the host's architecture, and prefers the greatest os.version. It
  // compares versions as strings.
  const rank = ranker(requested);
  return selectable
    .filter(({ platform }) => platform === undefined || rank(platform) === 0)
    .map(({ entry }) => entry)
    .sort(byVersion);
}

/** Replaces an empty os with the os of the client, as containerd does. */
function withOs(platform: Platform, os: string): Platform {
  return platform.os === '' ? { ...platform, os } : platform;
}

function byVersion({ descriptor: left }: Candidate, { descriptor: right }: Candidate): number {
  if (left.platform === undefined || right.platform === undefined) {
    return Number(left.platform === undefined) - Number(right.platform === undefined);
  }
  const [leftVersion, rightVersion] = [left.platform['os.version'] ?? '', right.platform['os.version'] ?? ''];
  return leftVersion === rightVersion ? 0 : leftVersion > rightVersion ? -1 : 1;
}

/** Returns the selection from a nested index, with the entries that the client considered in the outer list. */
export function fromIndex(index: Candidate, nested: Selection, considered: Considered): Selection {
  return { ...nested, ...considered, reason: `entry ${index.place} is an index; inside it: ${nested.reason}` };
}

function selectByConfig(entry: Candidate, requested: Platform, considered: Considered): Selection {
  const { stated } = entry;
  if (stated === undefined || ranker(requested)(stated) === undefined) {
    const failure =
      stated === undefined
        ? 'neither the entry nor its image config has a platform'
        : `the entry has no platform, and its image config states ${platformName(stated)}`;
    return failedSelection(considered, entry, failure);
  }
  const reason = `no other entry matches; this one has no platform, but its image config states ${platformName(stated)}`;
  return { ...considered, selected: entry, why: 'no-platform', reason };
}

/**
 * Returns the reason why an entry is the best match for the requested platform, with a note about other entries for the
 * same platform.
 */
export function explainMatch(
  entry: Candidate,
  platform: Platform,
  requested: Platform,
  matches: readonly Candidate[],
): Pick<Selection, 'why' | 'reason'> {
  const equals = matches.filter(({ descriptor }) => descriptor.platform && samePlatform(descriptor.platform, platform));
  const note = `${platform.os === '' ? `; its os is empty and treated as ${requested.os}` : ''}${tieNote(entry, equals)}`;
  if (ranker(requested)(withOs(platform, requested.os)) === 0) return { why: 'exact', reason: `exact match${note}` };
  return { why: 'compatible', reason: `best match that a ${platformName(requested)} host can run${note}` };
}

const arm64Variants = [
  ...['v9.7', 'v9.6', 'v9.5', 'v9.4', 'v9.3', 'v9.2', 'v9.1', 'v9'],
  ...['v8.9', 'v8.8', 'v8.7', 'v8.6', 'v8.5', 'v8.4', 'v8.3', 'v8.2', 'v8.1', ''],
];
// These are Maps rather than objects, because an architecture may be any string, such as "constructor".
const variants = new Map([
  ['amd64', ['v4', 'v3', 'v2', '']],
  ['arm', ['v8', 'v7', 'v6', 'v5']],
  ['arm64', arm64Variants],
]);
const narrower = new Map([
  ['amd64', ['amd64', '386']],
  ['arm64', ['arm64', 'arm']],
]);

/** Returns the platforms that match a requested platform, best first. */
export function acceptedPlatforms(requested: Platform): readonly Platform[] {
  const { architecture } = normalizePlatform(requested);
  const known = (narrower.get(architecture) ?? [architecture]).flatMap((name) =>
    (variants.get(name) ?? ['']).map((variant) => withMachine(requested, name, variant)),
  );
  const ranks = known.map((platform) => ({ platform }));
  const ordered = rankEntries(ranks, requested).map(({ platform }) => platform);
  return ordered.some((platform) => samePlatform(platform, requested)) ? ordered : [requested, ...ordered];
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

import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import {
  noSelection,
  failedSelection,
  tieNote,
  unpullableReason,
  type Selection,
  type Considered,
} from './selection.ts';
import { ranker } from '../oci/platform/matching.ts';
import { acceptedPlatforms, explainMatch, fromIndex, rankCandidates } from './containerd.ts';
import {
  hostPlatform,
  platformName,
  type RequestedPlatform,
  type Candidate,
  type CandidateList,
} from './candidates.ts';

/**
 * Selects as Docker with its classic store does (moby v29, distribution/pull_v2.go `pullManifestList`). Entries are
 * ranked as in containerd, and the first one that is a manifest or an index is used. A nested index is searched
 * according to the same rules; if nothing in it matches, the pull fails. Image configs are not read. If no platform is
 * requested, the level of an amd64 CPU is taken into account. For Windows, see `selectOnWindows`.
 */
export function selectAsClassicDocker({ entries }: CandidateList, requested: RequestedPlatform): Selection {
  if (requested.platform.os === 'windows') return selectOnWindows(entries, requested);
  return selectOnUnix(entries, hostPlatform(requested));
}

/**
 * Selects as Docker 20.10 does (distribution/pull_v2_unix.go `filterManifests`). Only os, architecture and variant are
 * compared. Older variants match for 32-bit arm only; if no variant matches, the first entry for arm is used. An entry
 * without a platform never matches, and a nested index cannot be pulled.
 */
export function selectAsDocker20({ entries }: CandidateList, { platform: machine }: RequestedPlatform): Selection {
  const requested = normalizePlatform<Platform>(machineOf(machine));
  const isArm = requested.architecture === 'arm';
  const rank = ranker(requested);
  const matches = entries
    .flatMap((entry) => {
      const { platform } = entry.descriptor;
      const distance = platform && rank(machineOf(platform));
      return distance === undefined || (distance > 0 && !isArm) ? [] : [{ entry, distance }];
    })
    .sort((left, right) => left.distance - right.distance);
  const partial = isArm && matches.length === 0 ? entries.filter((entry) => isFor(entry, requested)) : [];
  const wants = isArm ? acceptedPlatforms(requested) : [requested];
  const considered = { wants: wants.map(platformName), tries: [...matches.map(({ entry }) => entry), ...partial] };
  const [best] = considered.tries;
  if (best === undefined) return noSelection(considered);
  const failure = unpullableReason(best);
  if (failure !== undefined) return failedSelection(considered, best, failure);
  const [match] = matches;
  if (match === undefined) {
    const first = 'no variant matches; this is the first entry for arm';
    return { ...considered, selected: best, why: 'first', reason: first };
  }
  const { distance } = match;
  const equals = matches.filter((other) => other.distance === distance).map(({ entry }) => entry);
  const reason = distance === 0 ? 'exact match' : `best match that a ${platformName(requested)} host can run`;
  const why = distance === 0 ? 'exact' : 'compatible';
  return { ...considered, selected: best, why, reason: `${reason}${tieNote(best, equals)}` };
}

/** Returns the platform without os.version and os.features. */
function machineOf({ os, architecture, variant }: Platform): Platform {
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function isFor({ descriptor: { platform } }: Candidate, { os, architecture }: Platform): boolean {
  return platform?.os === os && platform.architecture === architecture;
}

function selectOnUnix(entries: readonly Candidate[], requested: Platform): Selection {
  const matches = rankCandidates(entries.map(withoutEmptyPlatform), requested, false);
  const considered = { wants: acceptedPlatforms(requested).map(platformName), tries: matches };
  const best = matches.find(({ descriptor: { mediaType } }) => isManifestType(mediaType) || isIndexType(mediaType));
  if (best === undefined) return noSelection(considered);
  if (best.fault !== undefined) return failedSelection(considered, best, best.fault);
  if (best.entries !== undefined) return fromIndex(best, selectOnUnix(best.entries, requested), considered);
  const { platform } = best.descriptor;
  if (platform !== undefined) {
    return { ...considered, selected: best, ...explainMatch(best, platform, requested, matches) };
  }
  const reason = 'no other entry matches; this one has no platform, and Docker does not read its config';
  return { ...considered, selected: best, why: 'no-platform', reason };
}

/**
 * Returns the entry without its platform if all members of the platform are empty. Docker treats such a platform as
 * missing.
 */
function withoutEmptyPlatform(entry: Candidate): Candidate {
  const { platform, ...descriptor } = entry.descriptor;
  const isEmpty = platform !== undefined && Object.values(platform).every((member) => member === '');
  return isEmpty ? { ...entry, descriptor } : entry;
}

/**
 * Selects as a Windows daemon does (pull_v2_windows.go `filterManifests`): it compares architectures without
 * normalising them, ignores images for newer builds, and prefers images for its own build.
 */
function selectOnWindows(entries: readonly Candidate[], { platform: requested }: RequestedPlatform): Selection {
  const host = requested['os.version'] ?? '';
  const runnable = entries.filter(({ descriptor: { platform } }) => {
    if (platform?.architecture !== requested.architecture || platform.os.toLowerCase() !== 'windows') return false;
    return !(buildOf(platform['os.version'] ?? '') > buildOf(host));
  });
  const hasHostBuild = (entry: Candidate) =>
    host !== '' && (entry.descriptor.platform?.['os.version'] ?? '').startsWith(`${threeParts(host)}.`);
  const matches = [...runnable.filter(hasHostBuild), ...runnable.filter((entry) => !hasHostBuild(entry))];
  const considered: Considered = { wants: [platformName(requested)], tries: matches };
  const [best] = matches;
  if (best === undefined) return noSelection(considered);
  if (best.fault !== undefined) return failedSelection(considered, best, best.fault);
  const reason = hasHostBuild(best)
    ? 'first entry with the Windows build of the host'
    : `first entry for ${requested.os}/${requested.architecture} that is not newer than the host`;
  return { ...considered, selected: best, why: hasHostBuild(best) ? 'exact' : 'first', reason };
}

function threeParts(version: string): string {
  return version.split('.', 3).join('.');
}

/**
 * Returns the build number, which is the third part of a version, or NaN if it is missing. All comparisons with NaN are
 * false, so an image without a build number is not treated as newer than the host.
 */
function buildOf(version: string): number {
  const build = version.split('.')[2] ?? '';
  return /^\d+$/.test(build) ? Number(build) : Number.NaN;
}

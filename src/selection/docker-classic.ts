import { ranker } from '../oci/platform/matching.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { samePlatform, type Platform } from '../oci/platform/platform.ts';
import { tieNote, noSelection, failedSelection, type Selection, type Considered } from './selection.ts';
import { acceptedPlatforms, rankCandidates } from './containerd.ts';
import {
  hostPlatform,
  platformName,
  type RequestedPlatform,
  type Candidate,
  type CandidateList,
} from './candidates.ts';

/**
 * Docker with its classic store (moby v29, distribution/pull_v2.go `pullManifestList`) ranks entries like containerd and
 * uses the first one that is a manifest or an index. A nested index is searched by the same rules; if it has no match, the
 * pull fails. The image config is not read. If no platform is requested, the level of an amd64 CPU counts.
 */
export function selectAsClassicDocker({ entries }: CandidateList, requested: RequestedPlatform): Selection {
  if (requested.platform.os === 'windows') return selectOnWindows(entries, requested);
  return selectOnUnix(entries, hostPlatform(requested));
}

function selectOnUnix(entries: readonly Candidate[], wanted: Platform): Selection {
  const matches = rankCandidates(entries.map(withoutEmptyPlatform), wanted, false);
  const considered = { wants: acceptedPlatforms(wanted).map(platformName), tries: matches };
  const best = matches.find(({ descriptor: { mediaType } }) => isManifestType(mediaType) || isIndexType(mediaType));
  if (best === undefined) return noSelection(considered);
  if (best.fault !== undefined) return failedSelection(considered, best, best.fault);
  if (best.entries !== undefined) {
    const nested = selectOnUnix(best.entries, wanted);
    return { ...nested, ...considered, reason: `entry ${best.place} is an index; inside it: ${nested.reason}` };
  }
  return { ...considered, picked: best, ...explain(best, wanted, matches) };
}

/** Docker treats a platform whose members are all empty as a missing one. */
function withoutEmptyPlatform(entry: Candidate): Candidate {
  const { platform, ...descriptor } = entry.descriptor;
  const isEmpty = platform !== undefined && Object.values(platform).every((member) => member === '');
  return isEmpty ? { ...entry, descriptor } : entry;
}

function explain(entry: Candidate, wanted: Platform, matches: readonly Candidate[]): Pick<Selection, 'why' | 'reason'> {
  const { platform } = entry.descriptor;
  if (platform === undefined) {
    const reason = 'no other entry matches; this one has no platform, and Docker does not read its config';
    return { why: 'no-platform', reason };
  }
  const equals = matches.filter(({ descriptor }) => descriptor.platform && samePlatform(descriptor.platform, platform));
  const tie = tieNote(entry, equals);
  if (ranker(wanted)(platform) === 0) return { why: 'exact', reason: `exact match${tie}` };
  return { why: 'compatible', reason: `best match that a ${platformName(wanted)} host can run${tie}` };
}

/**
 * A Windows daemon (pull_v2_windows.go `filterManifests`) compares the architecture without normalisation, ignores images
 * of newer builds, and prefers images of its own build.
 */
function selectOnWindows(entries: readonly Candidate[], { platform: wanted }: RequestedPlatform): Selection {
  const host = wanted['os.version'] ?? '';
  const runnable = entries.filter(({ descriptor: { platform } }) => {
    if (platform?.architecture !== wanted.architecture || platform.os.toLowerCase() !== 'windows') return false;
    return !(buildOf(platform['os.version'] ?? '') > buildOf(host));
  });
  const hasHostBuild = (entry: Candidate) =>
    host !== '' && (entry.descriptor.platform?.['os.version'] ?? '').startsWith(`${threeParts(host)}.`);
  const matches = [...runnable.filter(hasHostBuild), ...runnable.filter((entry) => !hasHostBuild(entry))];
  const considered: Considered = { wants: [platformName(wanted)], tries: matches };
  const [best] = matches;
  if (best === undefined) return noSelection(considered);
  if (best.fault !== undefined) return failedSelection(considered, best, best.fault);
  const reason = hasHostBuild(best)
    ? 'first entry with the build of the host'
    : `first entry for ${wanted.os}/${wanted.architecture} that is not newer than the host`;
  return { ...considered, picked: best, why: hasHostBuild(best) ? 'exact' : 'first', reason };
}

function threeParts(version: string): string {
  return version.split('.', 3).join('.');
}

/** The build number, which is the third part of a version. NaN, which compares as not greater, if there is none. */
function buildOf(version: string): number {
  const build = version.split('.')[2] ?? '';
  return /^\d+$/.test(build) ? Number(build) : Number.NaN;
}

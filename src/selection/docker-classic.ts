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
 * Docker with its classic store (moby v29, distribution/pull_v2.go `pullManifestList`): containerd's order, then one entry
 * after the other. What is no manifest is passed over; an index is walked, and one that has nothing that fits ends the
 * pull. The config is never asked. Where nothing is asked for, the level of an amd64 CPU counts.
 */
export function selectAsClassicDocker(list: CandidateList, asked: RequestedPlatform): Selection {
  return asked.platform.os === 'windows' ? onWindows(list.entries, asked) : onUnix(list.entries, hostPlatform(asked));
}

function onUnix(entries: readonly Candidate[], wanted: Platform): Selection {
  const tries = rankCandidates(entries.map(withoutEmptyPlatform), wanted, false);
  const considered = { wants: acceptedPlatforms(wanted).map(platformName), tries };
  const opened = tries.find(({ descriptor: { mediaType } }) => isManifestType(mediaType) || isIndexType(mediaType));
  if (opened === undefined) return noSelection(considered);
  if (opened.fault !== undefined) return failedSelection(considered, opened, opened.fault);
  if (opened.entries !== undefined) {
    const choice = onUnix(opened.entries, wanted);
    return { ...choice, ...considered, reason: `entry ${opened.place} is an index; in it: ${choice.reason}` };
  }
  return { ...considered, picked: opened, ...explain(opened, wanted, tries) };
}

/** A platform without any content is none. */
function withoutEmptyPlatform(entry: Candidate): Candidate {
  const { platform, ...descriptor } = entry.descriptor;
  const isEmpty = platform !== undefined && Object.values(platform).every((member) => member === '');
  return isEmpty ? { ...entry, descriptor } : entry;
}

function explain(entry: Candidate, wanted: Platform, tries: readonly Candidate[]): Pick<Selection, 'why' | 'reason'> {
  const { platform } = entry.descriptor;
  if (platform === undefined) {
    return { why: 'no-platform', reason: 'no other entry fits; it states no platform, and nobody looks at its config' };
  }
  const equals = tries.filter(({ descriptor }) => descriptor.platform && samePlatform(descriptor.platform, platform));
  const tie = tieNote(entry, equals);
  if (ranker(wanted)(platform) === 0) return { why: 'exact', reason: `the platform itself${tie}` };
  return { why: 'compatible', reason: `the best that a machine of ${platformName(wanted)} also runs${tie}` };
}

/**
 * A Windows daemon (pull_v2_windows.go `filterManifests`): its own architecture, letter for letter; images of a newer
 * build are left out, those of its own build come first.
 */
function onWindows(entries: readonly Candidate[], { platform: wanted }: RequestedPlatform): Selection {
  const host = wanted['os.version'] ?? '';
  const fitting = entries.filter(({ descriptor: { platform } }) => {
    if (platform?.architecture !== wanted.architecture || platform.os.toLowerCase() !== 'windows') return false;
    return !(buildOf(platform['os.version'] ?? '') > buildOf(host));
  });
  const isOwn = (entry: Candidate) =>
    host !== '' && (entry.descriptor.platform?.['os.version'] ?? '').startsWith(`${threeParts(host)}.`);
  const tries = [...fitting.filter(isOwn), ...fitting.filter((entry) => !isOwn(entry))];
  const considered: Considered = { wants: [platformName(wanted)], tries };
  const [best] = tries;
  if (best === undefined) return noSelection(considered);
  if (best.fault !== undefined) return failedSelection(considered, best, best.fault);
  const reason = isOwn(best)
    ? `the first of the machine's own build`
    : `the first for ${wanted.os}/${wanted.architecture} that is not newer than the machine`;
  return { ...considered, picked: best, why: isOwn(best) ? 'exact' : 'first', reason };
}

function threeParts(version: string): string {
  return version.split('.', 3).join('.');
}

/** The third number of a version; NaN, which nothing is greater than, where there is none. */
function buildOf(version: string): number {
  const build = version.split('.')[2] ?? '';
  return /^\d+$/.test(build) ? Number(build) : Number.NaN;
}

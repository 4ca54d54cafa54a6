import { isAttestation } from '../oci/descriptor.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { isUnknownPlatform, normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import { clients } from './clients.ts';
import { selectAsContainerd } from './containerd.ts';
import { effectivePlatform, imagesOf, platformName, type Candidate, type CandidateList } from './candidates.ts';

/** An entry that no client selects, whatever platform is requested. */
export interface Unreachable {
  readonly entry: Candidate;
  /** The kind of the reason. `attestation` is expected: attestations are not meant to be selected. */
  readonly why: 'attestation' | 'unknown' | 'shadowed' | 'no-image' | 'unreadable' | 'unmatched';
  /** The reason as a phrase without a full stop. */
  readonly reason: string;
}

/** Maximum number of images in a list to examine, far above that of real lists. */
export const MAX_REACHED = 100;

/**
 * The entries that no client can select. For each entry, all clients are tried with every platform that might select
 * it: its own platform in all spellings, and those of newer hosts that can run it.
 * @returns undefined for a list of more than `MAX_REACHED` images
 */
export function unreachable(list: CandidateList): readonly Unreachable[] | undefined {
  const images = imagesOf(list.entries);
  if (!isIndexType(list.mediaType)) return [];
  if (images.length > MAX_REACHED) return undefined;
  const allRequests = unique([...images.flatMap(requestsFor), OTHER]);
  const reached = new Set<Candidate>();
  const tried = new Set<string>();
  for (const entry of images) {
    for (const platform of effectivePlatform(entry) === undefined ? allRequests : requestsFor(entry)) {
      if (reached.has(entry)) break;
      const key = JSON.stringify(platform);
      if (tried.has(key)) continue;
      tried.add(key);
      for (const selected of allSelections(list, platform)) reached.add(selected);
    }
  }
  return images.filter((entry) => !reached.has(entry)).map((entry) => ({ entry, ...whyUnreachable(entry, list) }));
}

/** A platform that no real list contains. It represents all platforms that the examined list does not contain. */
const OTHER: Platform = { os: 'linux', architecture: 'other' };

function allSelections(list: CandidateList, platform: Platform): readonly Candidate[] {
  return [{ platform }, { platform, own: true }].flatMap((requested) =>
    clients.flatMap((client) => client.select(list, requested).selected ?? []),
  );
}

/** The requested platforms that may select the entry. No client requests unknown/unknown. */
function requestsFor(entry: Candidate): readonly Platform[] {
  const stated = effectivePlatform(entry);
  if (stated === undefined || isUnknownPlatform(stated)) return [];
  return unique(
    [stated, normalizePlatform(stated), withoutVariant(stated), ...newerThan(stated)].map(withoutUnusedVersion),
  );
}

/** Removes the os.version, which clients read on Windows only, so that equal requests are tried once. */
function withoutUnusedVersion(platform: Platform): Platform {
  if (normalizePlatform(platform).os === 'windows') return platform;
  const { 'os.version': version, ...others } = platform;
  return version === undefined ? platform : others;
}

function withoutVariant(platform: Platform): Platform {
  const { variant, ...plain } = platform;
  return variant === undefined ? platform : plain;
}

const variants = new Map([
  ['amd64', ['v2', 'v3', 'v4']],
  ['arm', ['v5', 'v6', 'v7', 'v8']],
  ['arm64', ['v8', 'v8.9', 'v9', 'v9.7']],
]);
/** For an architecture, the other architecture whose hosts also run its programs. */
const wider = new Map([
  ['386', 'amd64'],
  ['arm', 'arm64'],
]);

function newerThan(stated: Platform): readonly Platform[] {
  const normal = normalizePlatform(stated);
  const architecture = wider.get(normal.architecture);
  const own = (variants.get(normal.architecture) ?? []).map((variant) => ({ ...normal, variant }));
  return architecture === undefined ? own : [...own, { ...withoutVariant(normal), architecture }];
}

function unique(platforms: readonly Platform[]): readonly Platform[] {
  return [...new Map(platforms.map((platform) => [JSON.stringify(platform), platform])).values()];
}

function whyUnreachable(entry: Candidate, list: CandidateList): Omit<Unreachable, 'entry'> {
  const { descriptor, fault } = entry;
  if (isAttestation(descriptor)) return { why: 'attestation', reason: 'it is an attestation, not an image' };
  if (isUnknownPlatform(descriptor.platform)) {
    return { why: 'unknown', reason: 'its platform is unknown/unknown, which no client requests' };
  }
  if (fault !== undefined) return { why: 'unreadable', reason: fault };
  if (!isManifestType(descriptor.mediaType))
    return { why: 'no-image', reason: `${descriptor.mediaType} is not an image` };
  const stated = effectivePlatform(entry);
  const [preferred] = stated === undefined ? [] : selectAsContainerd(list, { platform: stated }).tries;
  if (preferred !== undefined && preferred !== entry) {
    return { why: 'shadowed', reason: `clients for ${platformName(stated)} select entry ${preferred.place} instead` };
  }
  return { why: 'unmatched', reason: `no client selects ${platformName(stated)} from this list` };
}

import { isAttestation } from '../oci/descriptor.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { isUnknownPlatform, normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import { clients } from './clients.ts';
import { selectAsContainerd } from './containerd.ts';
import { effectivePlatform, imagesOf, platformName, type Candidate, type CandidateList } from './candidates.ts';

/** An entry that no client selects for any platform. */
export interface Unreachable {
  readonly entry: Candidate;
  /** The kind of the reason. `attestation` is expected: attestations are not meant to be selected. */
  readonly why: 'attestation' | 'unknown' | 'shadowed' | 'no-image' | 'unreadable' | 'unmatched';
  /** The reason as a phrase without a full stop. */
  readonly reason: string;
}

/** Lists with more images than this are not examined. Real lists have far fewer. */
export const MAX_REACHED = 100;

/**
 * Returns the entries that no client selects. For each entry, all clients are tried with the platforms for which they
 * might select it: the platform of the entry as stated, normalised and without its variant, and the platforms of other
 * hosts that can run the image. For an entry without a platform, the platforms of all entries are tried.
 * @returns undefined if the list has more than `MAX_REACHED` images
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

/** A platform that no real list contains. It represents all platforms that are not in the examined list. */
const OTHER: Platform = { os: 'linux', architecture: 'other' };

function allSelections(list: CandidateList, platform: Platform): readonly Candidate[] {
  return [{ platform }, { platform, own: true }].flatMap((requested) =>
    clients.flatMap((client) => client.select(list, requested).selected ?? []),
  );
}

/**
 * Returns the platforms for which clients may select the entry. Returns none if the platform is missing, or if it is
 * unknown/unknown, which no client requests.
 */
function requestsFor(entry: Candidate): readonly Platform[] {
  const stated = effectivePlatform(entry);
  if (stated === undefined || isUnknownPlatform(stated)) return [];
  return unique(
    [stated, normalizePlatform(stated), withoutVariant(stated), ...newerThan(stated)].map(withoutUnusedVersion),
  );
}

/**
 * Removes os.version except for Windows: clients ignore it elsewhere, so the same request would be tried several times.
 */
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
/** Maps an architecture to another one whose hosts can run images for both. */
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
    return { why: 'no-image', reason: `${descriptor.mediaType} is not an image media type` };
  const stated = effectivePlatform(entry);
  // If the best match is a nested index, `selected` is the image in it. If the client cannot pull the best match,
  // `selected` is undefined, and the best match is `tries[0]`.
  const selection = stated && selectAsContainerd(list, { platform: stated });
  const preferred = selection?.selected ?? selection?.tries[0];
  if (preferred !== undefined && preferred !== entry) {
    return { why: 'shadowed', reason: `clients for ${platformName(stated)} select entry ${preferred.place} instead` };
  }
  const reason =
    stated === undefined
      ? 'neither its descriptor nor its image config has a platform'
      : `its platform ${platformName(stated)} matches no platform that a client requests`;
  return { why: 'unmatched', reason };
}

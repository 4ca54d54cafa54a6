import { isAttestation } from '../oci/descriptor.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { isUnknownPlatform, normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import { clients } from './clients.ts';
import { selectAsContainerd } from './containerd.ts';
import { effectivePlatform, imagesOf, platformName, type Candidate, type CandidateList } from './candidates.ts';

/** An entry that no client ends with, whatever its platform and whatever it asks for. */
export interface Unreachable {
  readonly entry: Candidate;
  /** attestation: not meant to be picked. */
  readonly why: 'attestation' | 'unknown' | 'shadowed' | 'no-image' | 'unreadable' | 'unmatched';
  /** One sentence without an end. */
  readonly reason: string;
}

/** Longer lists are not asked for entry by entry: this is many times what any list of images has. */
export const MAX_REACHED = 100;

/**
 * The entries that nobody can pick. Each is asked for in every way that a machine or a user may: by the platform that it
 * states in each spelling, and by those of newer machines that run it too.
 * @returns undefined for a list of more than `MAX_REACHED` images
 */
export function unreachable(list: CandidateList): readonly Unreachable[] | undefined {
  const images = imagesOf(list.entries);
  if (!isIndexType(list.mediaType)) return [];
  if (images.length > MAX_REACHED) return undefined;
  const everybody = unique([...images.flatMap(waysTo), OTHER]);
  const reached = new Set<Candidate>();
  const asked = new Set<string>();
  for (const entry of images) {
    for (const platform of effectivePlatform(entry) === undefined ? everybody : waysTo(entry)) {
      if (reached.has(entry)) break;
      const way = JSON.stringify(platform);
      if (asked.has(way)) continue;
      asked.add(way);
      for (const picked of everyPick(list, platform)) reached.add(picked);
    }
  }
  return images.filter((entry) => !reached.has(entry)).map((entry) => ({ entry, ...whyNot(entry, list) }));
}

/** Stands for all platforms that a list says nothing of. */
const OTHER: Platform = { os: 'linux', architecture: 'other' };

function everyPick(list: CandidateList, platform: Platform): readonly Candidate[] {
  return [{ platform }, { platform, own: true }].flatMap((asked) =>
    clients.flatMap((client) => client.select(list, asked).picked ?? []),
  );
}

/** What may be asked for by those who get the entry: nobody is of an unknown platform. */
function waysTo(entry: Candidate): readonly Platform[] {
  const stated = effectivePlatform(entry);
  if (stated === undefined || isUnknownPlatform(stated)) return [];
  return unique([stated, normalizePlatform(stated), withoutVariant(stated), ...newerThan(stated)]);
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
/** Machines that also run the programs of another. */
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

function whyNot(entry: Candidate, list: CandidateList): Omit<Unreachable, 'entry'> {
  const { descriptor, fault } = entry;
  if (isAttestation(descriptor)) return { why: 'attestation', reason: 'an attestation, which nobody runs' };
  if (isUnknownPlatform(descriptor.platform)) {
    return { why: 'unknown', reason: 'it is for unknown/unknown, which no machine is' };
  }
  if (fault !== undefined) return { why: 'unreadable', reason: fault };
  if (!isManifestType(descriptor.mediaType)) return { why: 'no-image', reason: `${descriptor.mediaType} is no image` };
  const stated = effectivePlatform(entry);
  const [instead] = stated === undefined ? [] : selectAsContainerd(list, { platform: stated }).tries;
  if (instead !== undefined && instead !== entry) {
    return {
      why: 'shadowed',
      reason: `who could take it for ${platformName(stated)} takes entry ${instead.place} before it`,
    };
  }
  return { why: 'unmatched', reason: `no client looks for ${platformName(stated)} here` };
}

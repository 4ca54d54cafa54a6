import type { Problem } from '../../errors/errors.ts';
import { AnnotationKey, isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Index } from '../../oci/manifest.ts';
import { isImageConfigType, isIndexType, isServedAsManifest, MediaType } from '../../oci/media-type.ts';
import { isKnownPort, suggestPlatform } from '../../oci/platform/aliases.ts';
import {
  formatPlatform,
  isUnknownPlatform,
  normalizePlatform,
  platformKey,
  type Platform,
} from '../../oci/platform/platform.ts';
import { pointerTo } from '../../json/pointer.ts';
import { error, warning } from '../problems.ts';

/** This file contains the rules about the platforms of images in a list. */

interface Options {
  readonly strict?: boolean | undefined;
  readonly allowDuplicates?: boolean | undefined;
}

/** Whether an entry is an image, not an attestation, an artifact, an index or a blob. */
export function isImage(entry: Descriptor): boolean {
  if (isAttestation(entry) || isUnknownPlatform(entry.platform)) return false;
  if (isIndexType(entry.mediaType) || !isServedAsManifest(entry.mediaType)) return false;
  return entry.artifactType === undefined || isImageConfigType(entry.artifactType);
}

interface PlacedImage {
  readonly at: number;
  readonly entry: Descriptor;
  readonly platform: Platform;
}

/** Returns the images of a list that have a platform, with their positions. */
function images({ manifests }: Index): readonly PlacedImage[] {
  return manifests.flatMap((entry, at) =>
    entry.platform !== undefined && isImage(entry) ? [{ at, entry, platform: entry.platform }] : [],
  );
}

export const platformRules = [missing, unknown, duplicate, shadowed, variant, windowsVersion] as const;

function* missing(list: Index): Iterable<Problem> {
  const isDocker = list.mediaType === MediaType.dockerList;
  for (const [at, entry] of list.manifests.entries()) {
    if (!isImage(entry) || (entry.platform?.os && entry.platform.architecture)) continue;
    const pointer = pointerTo('manifests', at, ...(entry.platform === undefined ? [] : ['platform']));
    const message = missingMessage(entry.platform);
    yield isDocker ? error('E-PLAT-MISSING', pointer, message) : warning('E-PLAT-MISSING', pointer, message);
  }
}

function missingMessage(platform: Platform | undefined): string {
  if (platform === undefined) return 'the platform is missing';
  const empty = (['os', 'architecture'] as const).filter((name) => !platform[name]);
  return `${empty.join(' and ')} must not be empty`;
}

function* unknown(list: Index, { strict = false }: Options): Iterable<Problem> {
  for (const { at, platform } of images(list)) {
    const normal = normalizePlatform(platform);
    if (normal.os === '' || normal.architecture === '' || isKnownPort(normal.os, normal.architecture)) continue;
    const pointer = pointerTo('manifests', at, 'platform');
    const suggestion = suggestPlatform(normal.os, normal.architecture, normal.variant);
    const question = suggestion === undefined ? '' : `: did you mean ${suggestion}?`;
    const message = `unknown platform ${formatPlatform(platform)}${question}`;
    yield strict ? error('W-PLAT-UNKNOWN', pointer, message) : warning('W-PLAT-UNKNOWN', pointer, message);
  }
}

/** Reports several images for one platform, except zstd twins, which are marked with an annotation. */
function* duplicate(list: Index, { allowDuplicates = false }: Options): Iterable<Problem> {
  const first = new Map<string, PlacedImage>();
  for (const placed of images(list)) {
    const { at, entry, platform } = placed;
    const key = platformKey(platform) + (entry.annotations?.[AnnotationKey.zstd] ?? '');
    const before = first.get(key);
    if (before === undefined) {
      first.set(key, placed);
    } else if (before.entry.digest !== entry.digest) {
      const pointer = pointerTo('manifests', at, 'platform');
      const isSpelledDifferently = rawKey(platform) !== rawKey(before.platform);
      const name = formatPlatform(platform, { all: true });
      const digests = `${shortDigest(before.entry.digest)} (entry ${before.at}) and ${shortDigest(entry.digest)}`;
      const message = `two images for ${name}: ${digests}${isSpelledDifferently ? ', with different spellings of the platform' : ''}`;
      yield allowDuplicates || isSpelledDifferently
        ? warning('E-DUP-PLATFORM', pointer, message)
        : error('E-DUP-PLATFORM', pointer, message);
    }
  }
}

function rawKey({ os, architecture, variant = '' }: Platform): string {
  return [os, architecture, variant].join('/');
}

/**
 * Reports an entry that follows a less specific entry for the same os and architecture: clients that take the first
 * match never select it.
 */
function* shadowed(list: Index): Iterable<Problem> {
  const general = new Map<string, PlacedImage>();
  for (const placed of images(list)) {
    const { os, architecture, variant = '', 'os.version': version = '' } = normalizePlatform(placed.platform);
    const key = `${os}/${architecture}`;
    const before = general.get(key);
    const isSpecific = version !== '' || (variant !== '' && architecture !== 'arm');
    if (before !== undefined && isSpecific) {
      const message = `clients that select the first match select the less specific entry ${before.at}: list this entry before it`;
      yield warning('W-SHADOW', pointerTo('manifests', placed.at, 'platform'), message);
    } else if (!isSpecific && (architecture !== 'arm' || placed.platform.variant === undefined)) {
      general.set(key, before ?? placed);
    }
  }
}

/** The variants that clients detect for their host, as containerd and Go name them. */
const HOST_VARIANTS = new Map([
  ['amd64', /^v[1-4]$/],
  ['arm', /^v[5-8]$/],
  ['arm64', /^v[89](?:\.[0-9])?$/],
]);

function* variant(list: Index, { strict = false }: Options): Iterable<Problem> {
  const placed = images(list);
  const unreachable = strict ? error : warning;
  const plain = new Set(
    placed
      .filter(({ platform }) => !normalizePlatform(platform).variant)
      .map(({ platform }) => rawKey(normalizePlatform(platform))),
  );
  for (const { at, platform } of placed) {
    const { os, architecture, variant: own } = normalizePlatform(platform);
    if (architecture === 'arm' && platform.variant === undefined) {
      yield warning(
        'W-VARIANT',
        pointerTo('manifests', at, 'platform'),
        'the variant of arm is missing: some clients assume v7, others accept any variant',
      );
    }
    if (own === undefined) continue;
    const pointer = pointerTo('manifests', at, 'platform', 'variant');
    const hostVariants = HOST_VARIANTS.get(architecture);
    if (hostVariants === undefined) {
      yield unreachable(
        'W-VARIANT',
        pointer,
        `clients on ${architecture} have no variant, so none of them selects this image`,
      );
    } else if (!hostVariants.test(own)) {
      yield unreachable(
        'W-VARIANT',
        pointer,
        `no client on ${architecture} has the variant ${own}, so none selects this image`,
      );
    } else if (architecture === 'amd64' && !plain.has(rawKey({ os, architecture }))) {
      yield warning(
        'W-VARIANT',
        pointer,
        `many clients find no image, because there is no entry for ${os}/amd64 without a variant`,
      );
    }
  }
}

function* windowsVersion(list: Index): Iterable<Problem> {
  for (const { at, platform } of images(list)) {
    if (platform.os !== 'windows') continue;
    const version = platform['os.version'];
    const pointer = pointerTo('manifests', at, 'platform', ...(version === undefined ? [] : ['os.version']));
    if (version === undefined) {
      yield warning('W-WIN-OSVER', pointer, 'os.version is missing: a host may select an image that it cannot run');
    } else if (!/^\d+\.\d+\.\d+(?:\.\d+)?$/.test(version)) {
      yield error(
        'W-WIN-OSVER',
        pointer,
        'must have the form MAJOR.MINOR.BUILD or MAJOR.MINOR.BUILD.REVISION, such as 10.0.20348.2402',
      );
    }
  }
}

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

/** The rules about the platforms of a list's images. */

interface Options {
  readonly strict?: boolean | undefined;
  readonly allowDuplicates?: boolean | undefined;
}

/** Something that a client may run, and not an attestation, an artifact, an index or a blob. */
export function isImage(entry: Descriptor): boolean {
  if (isAttestation(entry) || isUnknownPlatform(entry.platform)) return false;
  if (isIndexType(entry.mediaType) || !isServedAsManifest(entry.mediaType)) return false;
  return entry.artifactType === undefined || isImageConfigType(entry.artifactType);
}

interface Placed {
  readonly at: number;
  readonly entry: Descriptor;
  readonly platform: Platform;
}

/** The images of a list that have a platform, with their places. */
function images({ manifests }: Index): readonly Placed[] {
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
    const message = 'an image without operating system and architecture';
    yield isDocker ? error('E-PLAT-MISSING', pointer, message) : warning('E-PLAT-MISSING', pointer, message);
  }
}

function* unknown(list: Index, { strict = false }: Options): Iterable<Problem> {
  for (const { at, platform } of images(list)) {
    const normal = normalizePlatform(platform);
    if (normal.os === '' || normal.architecture === '' || isKnownPort(normal.os, normal.architecture)) continue;
    const pointer = pointerTo('manifests', at, 'platform');
    const meant = suggestPlatform(normal.os, normal.architecture, normal.variant);
    const question = meant === undefined ? '' : `: is ${meant} meant?`;
    const message = `${formatPlatform(platform)} is no platform that is known to exist${question}`;
    yield strict ? error('W-PLAT-UNKNOWN', pointer, message) : warning('W-PLAT-UNKNOWN', pointer, message);
  }
}

/** Two images for one platform. Pairs that are meant (a zstd twin) differ in the annotation that says so. */
function* duplicate(list: Index, { allowDuplicates = false }: Options): Iterable<Problem> {
  const first = new Map<string, Placed>();
  for (const placed of images(list)) {
    const { at, entry, platform } = placed;
    const key = platformKey(platform) + (entry.annotations?.[AnnotationKey.zstd] ?? '');
    const before = first.get(key);
    if (before === undefined) {
      first.set(key, placed);
    } else if (before.entry.digest !== entry.digest) {
      const pointer = pointerTo('manifests', at, 'platform');
      const spelled = rawKey(platform) === rawKey(before.platform) ? '' : ', spelled otherwise';
      const [one, other] = [before.entry, entry].map(({ digest }) => shortDigest(digest));
      const message = `two images for ${formatPlatform(platform, { all: true })}: ${one ?? ''} (entry ${before.at}) and ${other ?? ''}${spelled}`;
      const harmless = allowDuplicates || spelled !== '';
      yield harmless ? warning('E-DUP-PLATFORM', pointer, message) : error('E-DUP-PLATFORM', pointer, message);
    }
  }
}

function rawKey({ os, architecture, variant = '' }: Platform): string {
  return [os, architecture, variant].join('/');
}

/** Clients that take the first entry of their os and architecture never get to a more special one behind it. */
function* shadowed(list: Index): Iterable<Problem> {
  const general = new Map<string, Placed>();
  for (const placed of images(list)) {
    const { os, architecture, variant = '', 'os.version': version = '' } = normalizePlatform(placed.platform);
    const key = `${os}/${architecture}`;
    const before = general.get(key);
    const isSpecial = version !== '' || (variant !== '' && architecture !== 'arm');
    if (before !== undefined && isSpecial) {
      const message = `clients that take the first match get entry ${before.at} instead: list the more special entry first`;
      yield warning('W-SHADOW', pointerTo('manifests', placed.at, 'platform'), message);
    } else if (!isSpecial && (architecture !== 'arm' || placed.platform.variant === undefined)) {
      general.set(key, before ?? placed);
    }
  }
}

/** What hosts state: containerd's and Go's names of what a processor can do. */
const STATED_VARIANTS = new Map([
  ['amd64', /^v[1-4]$/],
  ['arm', /^v[5-8]$/],
  ['arm64', /^v[89](?:\.[0-9])?$/],
]);

function* variant(list: Index, { strict = false }: Options): Iterable<Problem> {
  const placed = images(list);
  const unselected = strict ? error : warning;
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
        'arm without a variant: some clients take it for v7, others for any',
      );
    }
    if (own === undefined) continue;
    const pointer = pointerTo('manifests', at, 'platform', 'variant');
    const stated = STATED_VARIANTS.get(architecture);
    if (stated === undefined) {
      yield unselected(
        'W-VARIANT',
        pointer,
        `clients on ${architecture} have no variant, so none of them selects this image`,
      );
    } else if (!stated.test(own)) {
      yield unselected(
        'W-VARIANT',
        pointer,
        `no client on ${architecture} has the variant ${own}, so none selects this image`,
      );
    } else if (architecture === 'amd64' && !plain.has(rawKey({ os, architecture }))) {
      yield warning('W-VARIANT', pointer, `without an entry for plain ${os}/amd64 many clients find no image`);
    }
  }
}

function* windowsVersion(list: Index): Iterable<Problem> {
  for (const { at, platform } of images(list)) {
    if (platform.os !== 'windows') continue;
    const version = platform['os.version'];
    const pointer = pointerTo('manifests', at, 'platform', ...(version === undefined ? [] : ['os.version']));
    if (version === undefined) {
      yield warning('W-WIN-OSVER', pointer, 'without os.version a host may get an image that it cannot run');
    } else if (!/^\d+\.\d+\.\d+(?:\.\d+)?$/.test(version)) {
      yield error('W-WIN-OSVER', pointer, 'is not of the form 10.0.20348 or 10.0.20348.2402');
    }
  }
}

import type { Content, ContentSource } from '../oci/content.ts';
import { attestedDigest, isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import { encodeImageIndex, encodeManifestList } from '../oci/encode.ts';
import type { Index } from '../oci/manifest.ts';
import { isIndexType, isManifestType, MediaType } from '../oci/media-type.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { isOfPlatform } from '../draft/select.ts';
import { readIndex } from '../schema/document.ts';
import type { LeftBehind } from './left-behind.ts';
import { requirePlatforms } from './resolve-source.ts';
import { platformsOfImage, type ImageReading } from './image-platforms.ts';

/** Taking only a part of a list along. */

export interface FilterOptions {
  /** Only images of these; all where none is named. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Filtered {
  /** The same content where nothing was left out; else a new list, which keeps all that the old one says of itself. */
  readonly content: Content;
  readonly left: readonly LeftBehind[];
}

/** @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` */
export async function filterContent(
  content: Content,
  home: ContentSource,
  reference: string,
  options: FilterOptions,
): Promise<Filtered> {
  const { platforms = [], attestations = 'keep' } = options;
  const isWhole = platforms.length === 0 && attestations === 'keep';
  if (isWhole) return { content, left: [] };
  const reading = { home, reference, signal: options.signal };
  if (!isIndexType(content.descriptor.mediaType)) {
    requirePlatforms(platforms, await platformsOfImage(content, reading), reference);
    return { content, left: [] };
  }
  const list = readIndex(content.bytes, content.descriptor.mediaType, reference);
  const entries = await Promise.all(list.manifests.map((entry) => withPlatforms(entry, reading)));
  requirePlatforms(
    platforms,
    entries.flatMap((entry) => entry.platforms ?? []),
    reference,
  );
  const left = leftOut(entries, platforms, attestations);
  if (left.size === 0) return { content, left: [] };
  const manifests = list.manifests.filter((entry) => !left.has(entry));
  return { content: encoded({ ...list, manifests }), left: [...left.values()] };
}

interface Entry {
  readonly descriptor: Descriptor;
  /** What is in it; undefined where nobody can say. */
  readonly platforms: readonly Platform[] | undefined;
}

/** The entries that do not come along. What states no platform fits everybody; attestations go with their image. */
function leftOut(
  entries: readonly Entry[],
  wanted: readonly Platform[],
  attestations: 'keep' | 'drop',
): ReadonlyMap<Descriptor, LeftBehind> {
  const left = new Map<Descriptor, LeftBehind>();
  const images = entries.filter(({ descriptor }) => !isAttestation(descriptor));
  const isWanted = ({ platforms }: Entry) =>
    wanted.length === 0 ||
    platforms === undefined ||
    wanted.some((one) => platforms.some((has) => isOfPlatform(has, one)));
  const gone = images.filter((entry) => !isWanted(entry));
  for (const { descriptor } of gone) left.set(descriptor, leftImage(descriptor));
  const kept = new Set<string>(
    images.filter((entry) => !left.has(entry.descriptor)).map(({ descriptor }) => descriptor.digest),
  );
  const dropped = new Set<string>(
    gone.map(({ descriptor }) => descriptor.digest).filter((digest) => !kept.has(digest)),
  );
  for (const { descriptor } of entries) {
    if (!isAttestation(descriptor)) continue;
    const ofDropped = dropped.has(attestedDigest(descriptor) ?? '');
    const reason = ofDropped ? 'its image is left behind' : attestations === 'drop' ? 'not asked for' : undefined;
    if (reason !== undefined) left.set(descriptor, { what: 'attestation', digest: descriptor.digest, reason });
  }
  return left;
}

function leftImage({ digest, platform }: Descriptor): LeftBehind {
  return {
    what: 'image',
    digest,
    ...(platform === undefined ? {} : { platform: formatPlatform(platform, { all: true }) }),
    reason: 'not asked for',
  };
}

/** An entry that states no platform is read, and so is what a list inside the list holds. */
async function withPlatforms(descriptor: Descriptor, reading: ImageReading): Promise<Entry> {
  if (descriptor.platform !== undefined) return { descriptor, platforms: [descriptor.platform] };
  const { mediaType, artifactType } = descriptor;
  const isSilent = artifactType === undefined && !isAttestation(descriptor);
  if (!isSilent || (!isManifestType(mediaType) && !isIndexType(mediaType))) return { descriptor, platforms: undefined };
  const { home, signal } = reading;
  const content = await home.fetchManifest(descriptor.digest, { expected: descriptor, signal });
  if (!isIndexType(mediaType))
    return { descriptor, platforms: noneIsUnknown(await platformsOfImage(content, reading)) };
  const { manifests } = readIndex(content.bytes, mediaType, `${reading.reference}@${descriptor.digest}`);
  const below = await Promise.all(manifests.map((entry) => withPlatforms(entry, reading)));
  return { descriptor, platforms: noneIsUnknown(below.flatMap(({ platforms }) => platforms ?? [])) };
}

function noneIsUnknown(platforms: readonly Platform[]): readonly Platform[] | undefined {
  return platforms.length === 0 ? undefined : platforms;
}

/** In the form of its kind; what mlist does not know of it stays. */
function encoded(list: Index): Content {
  const options = { keepEmpty: true };
  const bytes =
    list.mediaType === MediaType.dockerList ? encodeManifestList(list, options) : encodeImageIndex(list, options);
  return { descriptor: { mediaType: list.mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

import { errorCode } from '../errors.ts';
import type { Content } from '../oci/content.ts';
import { attestedDigest, isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import { encodeImageIndex, encodeManifestList } from '../oci/encode.ts';
import type { Index } from '../oci/manifest.ts';
import { isIndexType, isManifestType, MediaType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import { isOfPlatform } from '../draft/select.ts';
import { readIndex } from '../schema/document.ts';
import { linksIn } from '../transfer/graph.ts';
import type { OperationEvent } from './events.ts';
import type { Home } from './homes.ts';
import { leftBehind, type LeftBehind } from './left-behind.ts';
import { findMissing, settleMissing, type Missing, type MissingChoice, type MissingState } from './missing-images.ts';
import { requirePlatforms } from './require-platforms.ts';
import { platformsOfImage, type ImageReading } from './image-platforms.ts';

/** Copying only a part of a list. */

export interface FilterOptions {
  /** Only images of these; all where none is named. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Whether images that the source does not have are refused or skipped. Default refuse. */
  readonly missing?: MissingChoice | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Filtering {
  readonly home: Home;
  /** The content, for messages. */
  readonly reference: string;
  /** What is already known to be missing from the source. */
  readonly missing: Missing;
  /** Source and target are the same location, so the copy loses nothing. */
  readonly isWithin: boolean;
}

export interface Filtered {
  /** The same content if nothing was left out; otherwise a new list with the other members of the old one. */
  readonly content: Content;
  readonly left: readonly LeftBehind[];
  /** Events to report. */
  readonly events: readonly OperationEvent[];
}

/** Whether only a part of a list is copied. */
export function isFiltered({ platforms = [], attestations = 'keep' }: FilterOptions): boolean {
  return platforms.length > 0 || attestations !== 'keep';
}

/**
 * Selects a part of a list, and leaves out missing entries if that is allowed.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`; `ERR_MLIST_NOT_FOUND` for images that are missing
 */
export async function filterContent(
  content: Content,
  { home, reference, missing: known, isWithin }: Filtering,
  options: FilterOptions,
): Promise<Filtered> {
  const { platforms = [], attestations = 'keep', missing, signal } = options;
  const whole: Filtered = { content, left: [], events: [] };
  const reading = { home, reference, missing, canChoose: options.platforms !== undefined, signal };
  if (!isIndexType(content.descriptor.mediaType)) {
    if (platforms.length > 0) requirePlatforms(platforms, await platformsOfImage(content, reading), reference);
    return whole;
  }
  const isWhole = !isFiltered(options);
  if (isWhole && isWithin && missing !== 'skip') return whole;
  const found = new Map(known);
  const check = async (entriesOf: () => readonly Descriptor[]): Promise<void> => {
    for (const [digest, state] of await findMissing(entriesOf, reading)) found.set(digest, state);
  };
  if (isWhole) await check(() => linksIn(content, home).manifests);
  if (isWhole && found.size === 0) return whole;
  const list = readIndex(content.bytes, content.descriptor.mediaType, reference);
  const entries = await Promise.all(list.manifests.map((entry) => withPlatforms(entry, reading, found)));
  const left = leftOut(entries, platforms, attestations);
  const wanted = list.manifests.filter((entry) => !left.has(entry));
  if (!isWhole) await check(() => wanted);
  const usable = missing === 'skip' ? entries.filter(({ descriptor }) => !found.has(descriptor.digest)) : entries;
  requirePlatforms(
    platforms,
    usable.flatMap(({ descriptor, platforms: has = [] }) => (isAttestation(descriptor) ? [] : has)),
    reference,
  );
  const settled = await settleMissing(wanted, found, list.manifests, reading);
  const manifests = wanted.filter((entry) => !settled.gone.has(entry));
  if (manifests.length === list.manifests.length) return whole;
  const chosen = [...left.values()];
  return {
    content: encoded({ ...list, manifests }),
    left: [...chosen, ...settled.left],
    events: [...chosen.map((one) => ({ type: 'left', ...one }) as const), ...settled.events],
  };
}

interface Entry {
  readonly descriptor: Descriptor;
  /** Undefined if unknown. */
  readonly platforms: readonly Platform[] | undefined;
  /** It states no platform, and cannot be read because it is missing. */
  readonly isUnreadable?: boolean;
}

/** The entries that are not copied. An entry without a platform matches any platform; attestations follow their image. */
function leftOut(
  entries: readonly Entry[],
  wanted: readonly Platform[],
  attestations: 'keep' | 'drop',
): ReadonlyMap<Descriptor, LeftBehind> {
  const left = new Map<Descriptor, LeftBehind>();
  const images = entries.filter(({ descriptor }) => !isAttestation(descriptor));
  const isWanted = ({ platforms, isUnreadable = false }: Entry) =>
    wanted.length === 0 ||
    (platforms === undefined ? !isUnreadable : wanted.some((one) => platforms.some((has) => isOfPlatform(has, one))));
  const gone = images.filter((entry) => !isWanted(entry));
  for (const { descriptor, isUnreadable = false } of gone) {
    const reason = isUnreadable ? 'missing, and without a platform' : 'not asked for';
    left.set(descriptor, leftBehind('image', descriptor, reason));
  }
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
    if (reason !== undefined) left.set(descriptor, leftBehind('attestation', descriptor, reason));
  }
  return left;
}

/**
 * The platforms of an entry. Entries that state none are read, and so are nested indexes.
 * @param missing - missing entries are added to it
 */
async function withPlatforms(
  descriptor: Descriptor,
  reading: ImageReading,
  missing: Map<Digest, MissingState>,
): Promise<Entry> {
  if (descriptor.platform !== undefined) return { descriptor, platforms: [descriptor.platform] };
  const { mediaType, artifactType } = descriptor;
  const isSilent = artifactType === undefined && !isAttestation(descriptor);
  if (!isSilent || (!isManifestType(mediaType) && !isIndexType(mediaType))) return { descriptor, platforms: undefined };
  try {
    return { descriptor, platforms: noneIsUnknown(await platformsBelow(descriptor, reading)) };
  } catch (thrown) {
    if (errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND') throw thrown;
    missing.set(descriptor.digest, missing.get(descriptor.digest) ?? 'absent');
    return { descriptor, platforms: undefined, isUnreadable: true };
  }
}

async function platformsBelow(descriptor: Descriptor, reading: ImageReading): Promise<readonly Platform[]> {
  const { mediaType, digest } = descriptor;
  const { home, signal } = reading;
  const content = await home.fetchManifest(digest, { expected: descriptor, signal });
  if (!isIndexType(mediaType)) return platformsOfImage(content, reading);
  const { manifests } = readIndex(content.bytes, mediaType, `${reading.reference}@${digest}`);
  const below = await Promise.all(manifests.map((entry) => withPlatforms(entry, reading, new Map())));
  return below.flatMap(({ platforms }) => platforms ?? []);
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

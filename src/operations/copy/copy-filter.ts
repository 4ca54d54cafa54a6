import { errorCode } from '../../errors/errors.ts';
import type { ManifestContent, ReadStore } from '../../store/store.ts';
import { attestedDigest, isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Index } from '../../oci/manifest.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { matchesPlatform } from '../../draft/entry-selection.ts';
import { contentOfList, encodeList } from '../../draft/to-list.ts';
import { readIndex } from '../../schema/documents.ts';
import { childrenOfManifest } from '../../transfer/graph.ts';
import type { MissingEntries, MissingState } from '../../transfer/missing-content.ts';
import { omissionEvents, type OperationEvent } from '../events.ts';
import { omissionOf, type Omission } from '../omissions.ts';
import type { MissingPolicy } from '../publish/fill.ts';
import { findMissing } from '../publish/find-missing.ts';
import { omitMissing, type MissingOptions } from '../publish/missing-images.ts';
import { requirePlatforms } from '../require-platforms.ts';
import { platformsOfImage, type ImageReading } from '../image-platforms.ts';

/** This file selects the part of a list that is copied. */

export interface FilterOptions extends MissingPolicy {
  /** Copy only images for these platforms. Default: all images. */
  readonly platforms?: readonly Platform[] | undefined;
  /** `keep` or `drop` the attestations. Default: `keep`. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Filtering {
  readonly store: ReadStore;
  /** The reference of the content, for messages. */
  readonly reference: string;
  /** The entries that are already known to be missing from the source. */
  readonly missing: MissingEntries;
  /**
   * Whether source and target are the same store. The copy then transfers no entries, except with `fill`, so entries
   * may be missing.
   */
  readonly isWithin: boolean;
}

export interface Filtered {
  /**
   * The original content or, if entries were left out, a new list that differs from the original only in its entries.
   * For an engine that cannot store lists: the only image of the list.
   */
  readonly content: ManifestContent;
  readonly omissions: readonly Omission[];
  readonly events: readonly OperationEvent[];
}

/** Whether the options select only a part of a list. */
export function isFiltered({ platforms = [], attestations = 'keep' }: FilterOptions): boolean {
  return platforms.length > 0 || attestations !== 'keep';
}

/**
 * Selects a part of a list, and leaves out missing entries if the options allow it.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if no image matches a requested platform; `ERR_MLIST_NOT_FOUND` if
 * entries are missing and must not be left out
 */
export async function filterContent(
  content: ManifestContent,
  { store, reference, missing: known, isWithin }: Filtering,
  options: FilterOptions,
): Promise<Filtered> {
  const { platforms = [], missing: choice, signal } = options;
  const reading = { store, reference, missing: choice, canChoose: options.platforms !== undefined, signal };
  const whole: Filtered = { content, omissions: [], events: [] };
  const { mediaType } = content.descriptor;
  if (!isIndexType(mediaType)) {
    if (platforms.length > 0) requirePlatforms(platforms, await platformsOfImage(content, reading), reference);
    return whole;
  }
  if (isFiltered(options)) {
    const list = readIndex(content.bytes, mediaType, reference);
    return withoutMissing(content, list, await select(list, known, reading, options), reading);
  }
  if (isWithin && (choice === undefined || choice === 'refuse')) return whole;
  // With `fill`, events report the platform of content that is read from another location, but `childrenOfManifest`
  // omits platforms.
  const entriesOf = (): readonly Descriptor[] =>
    choice === 'fill'
      ? readIndex(content.bytes, mediaType, reference).manifests
      : childrenOfManifest(content, store).manifests;
  const missing = new Map([...known, ...(await findMissing(entriesOf, reading))]);
  if (missing.size === 0) return whole;
  const list = readIndex(content.bytes, mediaType, reference);
  return withoutMissing(content, list, { selected: list.manifests, omissions: [], missing }, reading);
}

interface Selection {
  /** The entries that match the options, including missing ones. */
  readonly selected: readonly Descriptor[];
  /** The entries that do not match the options, with the reasons. */
  readonly omissions: readonly Omission[];
  /** The entries that are known to be missing from the source, whether or not they match. */
  readonly missing: MissingEntries;
}

/**
 * Selects entries by platform and kind, and finds the entries that the source does not have.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if no image matches a requested platform
 */
async function select(
  { manifests }: Index,
  known: MissingEntries,
  reading: MissingOptions & ImageReading,
  { platforms = [], attestations = 'keep' }: FilterOptions,
): Promise<Selection> {
  const missing = new Map(known);
  const entries = await Promise.all(manifests.map((entry) => withPlatforms(entry, reading, missing)));
  const omissions = omittedEntries(entries, platforms, attestations);
  const selected = manifests.filter((entry) => !omissions.has(entry));
  for (const [digest, state] of await findMissing(() => selected, reading)) missing.set(digest, state);
  const isUsable = ({ descriptor }: Entry) => reading.missing !== 'skip' || !missing.has(descriptor.digest);
  const images = entries.filter((entry) => !isAttestation(entry.descriptor) && isUsable(entry));
  requirePlatforms(
    platforms,
    images.flatMap((image) => image.platforms ?? []),
    reading.reference,
  );
  return { selected, omissions: [...omissions.values()], missing };
}

/**
 * Returns the selected part of a list. Missing entries are left out if the options allow it.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if entries are missing and must not be left out
 */
async function withoutMissing(
  content: ManifestContent,
  list: Index,
  { selected, omissions, missing }: Selection,
  options: MissingOptions,
): Promise<Filtered> {
  const missingEntries = await omitMissing(selected, missing, list.manifests, options);
  const manifests = selected.filter((entry) => !missingEntries.omitted.has(entry));
  if (manifests.length === list.manifests.length) return { content, omissions: [], events: [] };
  return {
    content: contentOfList(encodeList({ ...list, manifests })),
    omissions: [...omissions, ...missingEntries.omissions],
    events: [...omissionEvents(omissions), ...missingEntries.events],
  };
}

interface Entry {
  readonly descriptor: Descriptor;
  /** The platform of the image, or the platforms in the nested index. Undefined if they are unknown. */
  readonly platforms: readonly Platform[] | undefined;
  /** Whether the platform is unknown because the entry has none and its manifest or config is missing. */
  readonly isUnreadable?: boolean;
}

/**
 * Returns the entries that are not copied, with the reasons. Entries without a platform, such as artifacts, match any
 * platform. Missing images whose platform is unknown match none. Attestations are left out with their image.
 */
function omittedEntries(
  entries: readonly Entry[],
  requested: readonly Platform[],
  attestations: 'keep' | 'drop',
): ReadonlyMap<Descriptor, Omission> {
  const omissions = new Map<Descriptor, Omission>();
  /**
   * Whether an image is copied, keyed by digest. If an index lists an image twice, for different platforms, it is
   * enough that one of the entries is copied.
   */
  const isCopied = new Map<string, boolean>();
  for (const entry of entries) {
    const { descriptor } = entry;
    if (isAttestation(descriptor)) continue;
    const reason = reasonToOmit(entry, requested);
    if (reason !== undefined) omissions.set(descriptor, omissionOf('image', descriptor, reason));
    isCopied.set(descriptor.digest, reason === undefined || isCopied.get(descriptor.digest) === true);
  }
  for (const { descriptor } of entries) {
    if (!isAttestation(descriptor)) continue;
    const isOfOmitted = isCopied.get(attestedDigest(descriptor) ?? '') === false;
    const reason = isOfOmitted ? 'its image is left out' : attestations === 'drop' ? 'not requested' : undefined;
    if (reason !== undefined) omissions.set(descriptor, omissionOf('attestation', descriptor, reason));
  }
  return omissions;
}

/** Returns the reason why an image is not copied, or undefined if it is copied. */
function reasonToOmit({ platforms, isUnreadable = false }: Entry, requested: readonly Platform[]): string | undefined {
  if (requested.length === 0) return undefined;
  if (platforms === undefined) return isUnreadable ? 'it is missing, and its platform is unknown' : undefined;
  const isRequested = requested.some((platform) => platforms.some((candidate) => matchesPlatform(candidate, platform)));
  return isRequested ? undefined : 'not requested';
}

/**
 * Determines the platforms of an entry. If an image is listed without a platform, its config is read. If a nested index
 * is listed without a platform, the platforms of its entries are used.
 * @param missing - receives the digest of the entry if its manifest or config is missing
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
    return { descriptor, platforms: undefinedIfEmpty(await platformsBelow(descriptor, reading)) };
  } catch (thrown) {
    if (errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND') throw thrown;
    missing.set(descriptor.digest, missing.get(descriptor.digest) ?? 'absent');
    return { descriptor, platforms: undefined, isUnreadable: true };
  }
}

async function platformsBelow(descriptor: Descriptor, reading: ImageReading): Promise<readonly Platform[]> {
  const { mediaType, digest } = descriptor;
  const { store, signal } = reading;
  const content = await store.fetchManifest(digest, { expected: descriptor, signal });
  if (!isIndexType(mediaType)) return platformsOfImage(content, reading);
  const { manifests } = readIndex(content.bytes, mediaType, `${reading.reference}@${digest}`);
  const below = await Promise.all(manifests.map((entry) => withPlatforms(entry, reading, new Map())));
  return below.flatMap(({ platforms }) => platforms ?? []);
}

function undefinedIfEmpty(platforms: readonly Platform[]): readonly Platform[] | undefined {
  return platforms.length === 0 ? undefined : platforms;
}

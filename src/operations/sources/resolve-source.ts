import { allOrErrors } from '../../async/settle.ts';
import { keepImages } from '../../draft/draft-edit.ts';
import { type Entry, imagePlatforms, isAttestationEntry, platformOf, sourceName } from '../../draft/draft.ts';
import { describeEntry, matchesPlatform } from '../../draft/entry-selection.ts';
import type { ResolvedSource } from '../../draft/merge.ts';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { atDigest, formatLocation, sameLocation, type Location } from '../../oci/location.ts';
import type { Index } from '../../oci/manifest.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { OperationEvent } from '../events.ts';
import { claimWarnings, indexClaimWarnings } from '../platform-claims.ts';
import { availableEntries, placedEntry } from '../publish/available-entries.ts';
import { completeSource, type MissingPolicy } from '../publish/fill.ts';
import { isComposite, survey } from '../publish/find-missing.ts';
import { requireParts } from '../publish/missing-images.ts';
import { type SourceWaitOptions, waitForSource } from '../source-wait.ts';
import { entryMembers } from './entry-members.ts';
import { flattenIndex } from './flatten-index.ts';
import { platformChange, withPlatform } from './given-platform.ts';
import {
  readSource,
  withRepositoryHint,
  type GivenIndex,
  type ManifestArgument,
  type ManifestSource,
  type ReadSource,
} from './read-source.ts';
import { statedPlatform } from '../stated-platform.ts';
import { toleranceWarnings } from '../warnings.ts';
import { readImageManifest, readManifest } from '../../schema/documents.ts';
import type { Origin } from '../../store/completed-store.ts';
import type { ManifestContent, ReadStore } from '../../store/store.ts';
import type { MissingState } from '../../transfer/missing-content.ts';

/** This file resolves a MANIFEST argument to one entry for an image, or to the entries of an index. */

export interface ResolveOptions extends SourceWaitOptions, MissingPolicy {
  /** Use only the images for these platforms; all images if empty. Undefined if the command has no `--platform`. */
  readonly platforms?: readonly Platform[] | undefined;
  /**
   * `referrers`: for images without attestations in the list, also use the attestations that are their referrers.
   * Default: `keep`.
   */
  readonly attestations?: AttestationChoice | undefined;
  /** `keep`: an index is one entry. `flatten`: nested indexes are expanded, too. Default: one level is expanded. */
  readonly nested?: 'keep' | 'flatten' | undefined;
  /** Whether the platform is given, in which case the config of the image may lack it. */
  readonly isPlatformGiven?: boolean | undefined;
}

export type AttestationChoice = 'keep' | 'drop' | 'referrers';

/** A resolved source: its entries and, if it is an index, the index. */
export interface Resolved extends ResolvedSource {
  /** The platforms of all images of the source, including images that were not requested. */
  readonly platforms: readonly Platform[];
  readonly index?: { readonly document: Index; readonly content: ManifestContent };
  /** Set if the index is from a file. Each entry then has its own source. */
  readonly given?: { readonly name: string; readonly isPublished: boolean };
  /** Other sources with the same index, if entries are read from them. */
  readonly parts?: readonly Location[];
  /** A single image that was left out, because it matches none of the requested platforms. */
  readonly omitted?: Entry;
  /** Events to report, such as warnings and omissions. */
  readonly events: readonly OperationEvent[];
}

/**
 * Finds the other MANIFEST arguments of the command that have the same index, so that content that the given source
 * lacks can be read from them. Returns undefined if there are no such arguments, or if no content is missing.
 */
export type PartsOf = (source: ReadSource) => Promise<readonly Origin[] | undefined>;

/**
 * Reads and resolves the source of an argument.
 * @throws MlistError the errors of the store; `ERR_MLIST_DOCUMENT_INVALID` if a list cannot contain the content
 */
export async function resolveSource(argument: ManifestArgument, options: ResolveOptions): Promise<Resolved> {
  return resolveRead(readSource(argument, options), options);
}

/**
 * Resolves the source of an argument as soon as it has been read.
 * @param partsOf - finds the other sources with the same index. Default: the source is resolved without other sources
 */
export async function resolveRead(
  reading: Promise<ReadSource>,
  options: ResolveOptions,
  partsOf?: PartsOf,
): Promise<Resolved> {
  const source = await reading;
  const { argument } = source;
  const isPlatformGiven = argument.isPlatformGiven === true || argument.platform !== undefined;
  const resolving = resolveContent(source, { ...options, isPlatformGiven }, partsOf);
  return argument.isDigestOnly === true ? withRepositoryHint(resolving, argument.location) : resolving;
}

async function resolveContent(
  source: ReadSource,
  options: ResolveOptions,
  partsOf: PartsOf | undefined,
): Promise<Resolved> {
  const { argument } = source;
  if ('unpushed' in source) return resolveImage(argument, source.unpushed, [], options);
  const { location, given, isListed = false } = argument;
  if (given !== undefined) return resolveGiven(argument, given, completed(source, undefined, options), options);
  const { content } = source;
  const { nested = isListed ? 'keep' : undefined } = options;
  const manifest = readManifest(content.bytes, content.descriptor.mediaType, formatLocation(location));
  const isExpanded = 'manifests' in manifest && nested !== 'keep';
  const parts = isExpanded ? await partsOf?.(source) : undefined;
  const store = completed(source, parts, options);
  // The manifest is cached while the config is fetched.
  const [resolved] = await Promise.all([
    isExpanded
      ? resolveIndex({ argument, document: manifest, content, parts }, store, options)
      : resolveEntry(argument, content, store, options),
    options.stores.cache.put(content.bytes),
  ]);
  return resolved;
}

function completed(
  { argument, store, content }: ManifestSource,
  parts: readonly Origin[] | undefined,
  options: ResolveOptions,
): ReadStore {
  return completeSource({ location: argument.location, store, content, parts }, options);
}

async function resolveEntry(
  argument: ManifestArgument,
  content: ManifestContent,
  store: ReadStore,
  options: ResolveOptions,
): Promise<Resolved> {
  const source = argument.location;
  const name = formatLocation(source);
  await requireParts(content.descriptor, name, store, options);
  const members = entryMembers(argument.described ?? content.descriptor);
  const found = isComposite(store) ? await survey(store, content.descriptor, options) : undefined;
  const placed = await placedEntry({ source, ...members }, found, { store });
  const detected = await completeEntry(placed, content, store, options);
  return resolveImage(argument, detected, toleranceWarnings(content, name), options);
}

/**
 * Returns the result for a single manifest. If its platform is not requested, the entry is returned as `omitted`.
 * @param detected - the entry of the image, before the platform of the argument is set
 */
function resolveImage(
  argument: ManifestArgument,
  detected: Entry,
  tolerated: readonly OperationEvent[],
  options: ResolveOptions,
): Resolved {
  const { source } = detected;
  const entry = withPlatform(detected, argument.platform);
  const warnings = isRequested(entry, options)
    ? claimWarnings(formatLocation(source), platformOf(entry), detected.detected)
    : [];
  const events = [...tolerated, ...warnings];
  const facts = { source, events, platforms: imagePlatforms([entry]), ...platformChange(detected, argument.platform) };
  return isRequested(entry, options) ? { ...facts, entries: [entry] } : { ...facts, entries: [], omitted: entry };
}

/**
 * Completes the entry of an image if no platform was found in its descriptor. Returns other entries, such as
 * attestations and indexes, unchanged.
 */
async function completeEntry(
  entry: Entry,
  content: ManifestContent,
  store: ReadStore,
  options: ResolveOptions,
): Promise<Entry> {
  const isSilent = entry.detected === undefined && !isAttestationEntry(entry) && !isIndexType(entry.mediaType);
  return isSilent ? imageEntry(entry, content, store, options) : entry;
}

/** Completes the entry of an image with the platform from its config and the artifact type from its manifest. */
async function imageEntry(
  entry: Entry,
  content: ManifestContent,
  store: ReadStore,
  options: ResolveOptions,
): Promise<Entry> {
  const { config, artifactType } = readImageManifest(content.bytes, content.descriptor.mediaType, sourceName(entry));
  const artifact = artifactType === undefined || entry.artifactType !== undefined ? {} : { artifactType };
  const fetch = async () => {
    const { cache } = options.stores;
    const bytes = (await cache.get(config.digest)) ?? (await store.fetchBlob(config, { signal: options.signal }));
    await cache.put(bytes);
    return bytes;
  };
  const detected = await statedPlatform(config, sourceName(entry), fetch, options.isPlatformGiven);
  return { ...entry, ...artifact, ...(detected === undefined ? {} : { detected }) };
}

/** An index that is expanded to its entries. */
interface ExpandedIndex {
  readonly argument: ManifestArgument;
  readonly document: Index;
  readonly content: ManifestContent;
  readonly parts?: readonly Origin[] | undefined;
}

async function resolveIndex(
  { argument, parts, ...index }: ExpandedIndex,
  store: ReadStore,
  options: ResolveOptions,
): Promise<Resolved> {
  const source = argument.location;
  const via = index.content.descriptor.digest;
  const { nested, platforms = [], signal } = options;
  const missing = new Map<Digest, MissingState>();
  const { manifests } = index.document;
  const listed = nested === 'flatten' ? await flattenIndex(manifests, store, { missing, signal }, [via]) : manifests;
  const placeOf = ({ digest }: Descriptor) =>
    argument.given === undefined ? { source, via } : { source: atDigest(source, digest) };
  const entries = await allOrErrors(
    listed.map(async (descriptor) => {
      const entry = { ...placeOf(descriptor), ...entryMembers(descriptor) };
      const isRequired = argument.given !== undefined && isRequested(entry, options);
      return indexEntry(entry, { isRequired, missing }, store, options);
    }),
    signal,
  );
  // A missing image without a platform in its entry cannot be selected by platform.
  const isChosen = (entry: Entry) =>
    isRequested(entry, options) &&
    (platforms.length === 0 || platformOf(entry) !== undefined || !missing.has(entry.digest));
  const kept = keepImages(entries, isChosen);
  const selected = options.attestations === 'drop' ? kept.filter((entry) => !isAttestationEntry(entry)) : kept;
  const place = argument.given === undefined ? formatLocation(source) : store.location;
  const wholeIndex = { source: place, store, entries, missing, parts };
  const { available, events } = await availableEntries(selected, wholeIndex, options);
  const applied = applyToOnlyImage(available, argument);
  const usable = options.missing === 'skip' ? entries.filter(({ digest }) => !missing.has(digest)) : entries;
  const all = [...imagePlatforms(usable), ...imagePlatforms(applied)];
  const image = available.find((entry) => !isAttestationEntry(entry));
  const claims = await indexClaimWarnings(applied, store, signal);
  const reported = [
    ...toleranceWarnings(index.content, argument.given?.name ?? formatLocation(source)),
    ...events,
    ...claims,
  ];
  const others = applied.map((entry) => entry.source).filter((one) => !sameLocation(one, source));
  return {
    source,
    index,
    entries: applied,
    platforms: all,
    events: reported,
    ...(others.length === 0 || argument.given !== undefined ? {} : { parts: others }),
    ...platformChange(image, argument.platform),
  };
}

/**
 * Resolves an index from a file. Its entries are read from their own locations. The index itself is looked up in the
 * registry: if it is published, the draft is based on it and keeps its bytes.
 */
async function resolveGiven(
  argument: ManifestArgument,
  given: GivenIndex,
  store: ReadStore,
  options: ResolveOptions,
): Promise<Resolved> {
  const { name, document, content } = given;
  const [resolved, published] = await Promise.all([
    resolveIndex({ argument, document, content }, store, options),
    ignoreNotFound(store.resolve(content.descriptor.digest, { signal: options.signal })),
    options.stores.cache.put(content.bytes),
  ]);
  return { ...resolved, given: { name, isPublished: published !== undefined } };
}

/** Whether an entry is for a requested platform. Always true for attestations and for entries without a platform. */
function isRequested(entry: Entry, { platforms: requested = [] }: ResolveOptions): boolean {
  const platform = isAttestationEntry(entry) ? undefined : platformOf(entry);
  return requested.length === 0 || platform === undefined || requested.some((one) => matchesPlatform(platform, one));
}

interface EntryReading {
  /** Whether to check that the entry exists, because the index is from a file. */
  readonly isRequired: boolean;
  /** Receives the digest of each entry whose manifest or config is missing. */
  readonly missing: Map<Digest, MissingState>;
}

/**
 * Completes an image entry of an index if it has neither a platform nor an artifact type: reads both from the manifest
 * and config. If `isRequired` is set, also checks that the manifest exists.
 */
async function indexEntry(
  entry: Entry,
  { isRequired, missing }: EntryReading,
  store: ReadStore,
  options: ResolveOptions,
): Promise<Entry> {
  const isImage = isManifestType(entry.mediaType);
  const isStated = entry.detected !== undefined || entry.artifactType !== undefined || isAttestationEntry(entry);
  const isSilent = isImage && !isStated;
  if (!isSilent && !(isRequired && (isImage || isIndexType(entry.mediaType)))) return entry;
  const { signal } = options;
  try {
    const fetch = () => store.fetchManifest(entry.digest, { expected: entry, signal });
    const content = isRequired ? await waitForSource(fetch, options) : await fetch();
    await options.stores.cache.put(content.bytes);
    return isSilent ? await imageEntry(entry, content, store, options) : entry;
  } catch (thrown) {
    if (errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND') throw thrown;
    missing.set(entry.digest, 'absent');
    return entry;
  }
}

/**
 * Sets the platform of `=PLATFORM`, if it is given, on the only image of a source.
 * @throws MlistError `ERR_MLIST_AMBIGUOUS` if a platform is given and the source does not have exactly one image
 */
export function applyToOnlyImage(entries: readonly Entry[], argument: ManifestArgument): readonly Entry[] {
  if (argument.platform === undefined) return entries;
  const images = entries.filter((entry) => !isAttestationEntry(entry));
  const [only, ...more] = images;
  if (only === undefined || more.length > 0) {
    throw new MlistError(
      'ERR_MLIST_AMBIGUOUS',
      `cannot set the platform of ${formatLocation(argument.location)}: it is an index, and ${images.length} of its images are selected`,
      {
        hint: 'Select one image by its digest, or set the platforms with "mlist annotate".',
        candidates: images.map(describeEntry),
      },
    );
  }
  return entries.map((entry) => (entry === only ? withPlatform(entry, argument.platform) : entry));
}

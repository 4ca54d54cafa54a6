import { errorCode, MlistError } from '../errors.ts';
import type { Content, ContentOptions, Stored } from '../oci/content.ts';
import { attestedDigest, isAttestation, type Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { entryName } from '../oci/entry-name.ts';
import { isIndexType, isServedAsManifest } from '../oci/media-type.ts';
import { orAbsent } from '../oci/or-absent.ts';
import { formatPlatform } from '../oci/platform.ts';
import { linksIn, MAX_DEPTH, readGraph, type ManifestNode } from '../transfer/graph.ts';
import { MissingContent } from '../transfer/missing-content.ts';
import type { OperationEvent } from './events.ts';
import type { Home } from './homes.ts';
import { leftBehind, type LeftBehind } from './left-behind.ts';

/**
 * Sparse indexes list images that their location does not have. `docker save` writes them after a pull of one platform
 * (docs/decisions/0050-sparse-indexes.md).
 */

const SKIP_MISSING = 'Leave missing images out with --missing skip.';

const REPORTED_PRESENT = 'The source reported these images as present when it was checked. Check the source.';

/** Refuse a sparse index, or leave its missing images out. */
export type MissingChoice = 'refuse' | 'skip';

/** The hint for missing images in commands without a draft. It never suggests the option that was given. */
export function missingHint(choice: MissingChoice | undefined): string {
  return choice === 'skip' ? REPORTED_PRESENT : SKIP_MISSING;
}

export interface MissingOptions extends ContentOptions {
  readonly home: Home;
  /** The index, for messages. */
  readonly reference: string;
  /** Default refuse. */
  readonly missing?: MissingChoice | undefined;
  /** Whether `--platform` can choose other images. */
  readonly canChoose: boolean;
}

/** `incomplete` if only something below an entry is missing. */
export type MissingState = 'absent' | 'incomplete';

/** Missing entries by digest. */
export type Missing = ReadonlyMap<Digest, MissingState>;

/** The parts of content that a layout or an archive lacks. Unreadable content is not missing: reading it fails later. */
export async function missingParts(
  home: Home,
  descriptor: Descriptor,
  options: ContentOptions,
): Promise<readonly Descriptor[]> {
  if (!isLocal(home)) return [];
  try {
    if ((await home.storedSize(descriptor.digest)) === undefined) return [descriptor];
    if (!isServedAsManifest(descriptor.mediaType)) return [];
    const blobs = blobsBelow(await readGraph(home, descriptor, options));
    const sizes = await Promise.all(blobs.map(({ digest }) => home.storedSize(digest)));
    return blobs.filter((_, at) => sizes[at] === undefined);
  } catch (thrown) {
    options.signal?.throwIfAborted();
    if (thrown instanceof MissingContent) return thrown.missing.map(({ entry }) => entry);
    return errorCode(thrown) === 'ERR_MLIST_NOT_FOUND' ? [descriptor] : [];
  }
}

function isLocal(home: Home): home is Home & Stored {
  return home.storedSize !== undefined;
}

function blobsBelow({ blobs, children }: ManifestNode): readonly Descriptor[] {
  return [...blobs, ...children.flatMap(blobsBelow)];
}

/**
 * The entries that the store does not have. A registry is only asked with `skip`: otherwise missing images are found when
 * they are read, without further requests.
 */
export async function findMissing(entriesOf: () => readonly Descriptor[], options: MissingOptions): Promise<Missing> {
  if (!isLocal(options.home) && options.missing !== 'skip') return new Map();
  const entries = entriesOf();
  const states = await Promise.all(entries.map((entry) => stateOf(entry, options)));
  return new Map(
    entries.flatMap(({ digest }, at) => {
      const state = states[at];
      return state === undefined ? [] : [[digest, state] as const];
    }),
  );
}

/** Undefined if the content is there. */
async function stateOf(entry: Descriptor, options: MissingOptions, depth = 0): Promise<MissingState | undefined> {
  const { home, signal } = options;
  if (isLocal(home)) {
    const [part] = await missingParts(home, entry, { signal });
    return part === undefined ? undefined : part.digest === entry.digest ? 'absent' : 'incomplete';
  }
  if (isIndexType(entry.mediaType) && depth < MAX_DEPTH) {
    const index = await orAbsent(home.fetchManifest(entry.digest, { expected: entry, signal }));
    return index === undefined ? 'absent' : stateBelow(index, options, depth);
  }
  const isManifest = async () => (await home.hasManifest?.(entry.digest, { signal })) !== false;
  const isBlob = async () => home.statedSize !== undefined && (await home.statedSize(entry, { signal })) !== undefined;
  const [first, second] = isServedAsManifest(entry.mediaType) ? [isManifest, isBlob] : [isBlob, isManifest];
  return (await first()) || (await second()) ? undefined : 'absent';
}

async function stateBelow(index: Content, options: MissingOptions, depth: number): Promise<MissingState | undefined> {
  const { manifests } = linksIn(index, options.home);
  const states = await Promise.all(manifests.map((entry) => stateOf(entry, options, depth + 1)));
  return states.every((state) => state === undefined) ? undefined : 'incomplete';
}

export interface Settled {
  /** Entries that are left out. */
  readonly gone: ReadonlySet<Descriptor>;
  readonly left: readonly LeftBehind[];
  /** Events to report: each skipped image, and one warning for all attestations. */
  readonly events: readonly OperationEvent[];
}

/**
 * Decides which of the wanted entries are left out. Attestations that are missing, or whose image is, always are.
 * @param all - the entries of the index
 * @throws MlistError `ERR_MLIST_NOT_FOUND` for missing images that are not skipped, or if no image would be left
 */
export async function settleMissing(
  wanted: readonly Descriptor[],
  missing: Missing,
  all: readonly Descriptor[],
  options: MissingOptions,
): Promise<Settled> {
  const images = wanted.filter((entry) => !isAttestation(entry));
  const lost = images.filter(({ digest }) => missing.has(digest));
  if (lost.length > 0 && (options.missing !== 'skip' || lost.length === images.length)) {
    throw await missingImages(lost, missing, all, options);
  }
  const digests = new Set<string>(lost.map(({ digest }) => digest));
  const attestations = wanted.filter(
    (entry) => isAttestation(entry) && (missing.has(entry.digest) || digests.has(attestedDigest(entry) ?? '')),
  );
  if (attestations.length > 0 && lost.length === images.length) throw noImageLeft(attestations, options);
  const reason = `missing from ${options.reference}`;
  const leftImages = lost.map((entry) => leftBehind('image', entry, reason));
  const leftAttestations = attestations.map((entry) => leftBehind('attestation', entry, reason));
  const warning = attestations.length === 0 ? [] : [attestationsWarning(attestations.length, options.reference)];
  return {
    gone: new Set([...lost, ...attestations]),
    left: [...leftImages, ...leftAttestations],
    events: [...leftImages.map((one) => ({ type: 'left', ...one }) as const), ...warning],
  };
}

export function attestationsWarning(count: number, reference: string): OperationEvent {
  const what =
    count === 1
      ? `1 attestation is left out because ${reference} does not have it or its image`
      : `${count} attestations are left out because ${reference} does not have them or their images`;
  return { type: 'warning', message: what };
}

function noImageLeft(attestations: readonly Descriptor[], { reference }: MissingOptions): MlistError {
  const digests = listed(attestations.map(({ digest }) => digest));
  return new MlistError(
    'ERR_MLIST_NOT_FOUND',
    `attestations are missing from ${reference}, and no image would be left without them: ${digests}`,
    { reference, hint: 'At least one image must be left.' },
  );
}

/** Some images of an index are missing, others are available. */
export class SomeMissing extends MlistError {}

async function missingImages(
  lost: readonly Descriptor[],
  missing: Missing,
  all: readonly Descriptor[],
  options: MissingOptions,
): Promise<MlistError> {
  const { reference, canChoose } = options;
  const others = all.filter((entry) => !isAttestation(entry) && !missing.has(entry.digest));
  const states = await Promise.all(others.map((entry) => stateOf(entry, options)));
  const there = others.filter((_, at) => states[at] === undefined).map(platformOrDigest);
  const message = missingText(lost, missing, reference);
  if (there.length === 0) {
    return new MlistError('ERR_MLIST_NOT_FOUND', message, { reference, hint: 'None of its images is available.' });
  }
  const skip = options.missing === 'skip' ? 'At least one image must be left.' : SKIP_MISSING;
  const choice = canChoose ? `Choose among these with --platform. ${skip}` : skip;
  return new SomeMissing('ERR_MLIST_NOT_FOUND', message, { reference, hint: `Available: ${listed(there)}. ${choice}` });
}

export function missingText(lost: readonly Descriptor[], missing: Missing, reference: string): string {
  const what = lost.every(({ mediaType }) => isServedAsManifest(mediaType)) ? 'images are' : 'content is';
  const names = lost.map(
    (entry) => entryName(entry) + (missing.get(entry.digest) === 'incomplete' ? ' (in part)' : ''),
  );
  return `${what} missing from ${reference}: ${listed(names)}`;
}

export function platformOrDigest(entry: Descriptor): string {
  return entry.platform === undefined ? entryName(entry) : formatPlatform(entry.platform, { all: true });
}

const MOST_NAMED = 20;

export function listed(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return names.slice(0, MOST_NAMED).join(', ') + more;
}

import { MlistError, type NextStep } from '../../errors/errors.ts';
import type { ContentOptions, ReadStore } from '../../store/store.ts';
import { attestedDigest, isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { entryName } from '../../oci/entry-name.ts';
import { isServedAsManifest } from '../../oci/media-type.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import type { MissingEntries } from '../../transfer/missing-content.ts';
import { omissionEvents, type OperationEvent } from '../events.ts';
import { afterAttempts, type MissingChoice } from './fill.ts';
import { missingParts, stateOf, type FindingOptions } from './find-missing.ts';
import { omissionOf, type Omission } from '../omissions.ts';

/**
 * This file handles sparse indexes, which list images that their location does not have. For example, `docker save`
 * writes a sparse index after a pull of one platform (docs/decisions/0050-sparse-indexes.md).
 */

const REPORTED_PRESENT =
  'These images existed in the source when it was checked. Check the source, or run the command again.';

/**
 * Returns the next step for missing images in commands without a draft. It does not suggest an option that the user has
 * already given.
 */
export function afterMissing(choice: MissingChoice | undefined): NextStep {
  if (choice !== undefined && choice !== 'refuse') return { hint: REPORTED_PRESENT };
  return { remedy: { kind: 'omit-missing', canChoose: false, isOmitted: false } };
}

export interface MissingOptions extends FindingOptions {
  /** The reference of the index, for messages. */
  readonly reference: string;
  /** Whether the user can select other images with `--platform`. */
  readonly canChoose: boolean;
}

export interface MissingOmissions {
  /**
   * The entries of the index that are left out: missing images, missing attestations, and attestations of missing
   * images.
   */
  readonly omitted: ReadonlySet<Descriptor>;
  readonly omissions: readonly Omission[];
  /** Events to report: each skipped image, and one warning for all attestations. */
  readonly events: readonly OperationEvent[];
}

/**
 * Decides which of the selected entries are left out because they are missing: missing attestations and, with `skip`,
 * missing images and their attestations. With `fill`, nothing is left out.
 * @param all - the entries of the index
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if an image is missing and is not skipped, if no image would be left, or,
 * with `fill`, if any entry is missing
 */
export async function omitMissing(
  selected: readonly Descriptor[],
  missing: MissingEntries,
  all: readonly Descriptor[],
  options: MissingOptions,
): Promise<MissingOmissions> {
  const images = selected.filter((entry) => !isAttestation(entry));
  const isFilled = options.missing === 'fill';
  const lost = (isFilled ? selected : images).filter(({ digest }) => missing.has(digest));
  if (lost.length > 0 && (options.missing !== 'skip' || lost.length === images.length)) {
    throw await missingImages(lost, missing, all, options);
  }
  const digests = new Set<string>(lost.map(({ digest }) => digest));
  const attestations = selected.filter(
    (entry) => isAttestation(entry) && (missing.has(entry.digest) || digests.has(attestedDigest(entry) ?? '')),
  );
  if (attestations.length > 0 && lost.length === images.length) throw noImageLeft(attestations, options);
  const reason = `missing from ${options.reference}`;
  const omittedImages = lost.map((entry) => omissionOf('image', entry, reason));
  const omittedAttestations = attestations.map((entry) => omissionOf('attestation', entry, reason));
  const warning = attestations.length === 0 ? [] : [attestationsWarning(attestations.length, options.reference)];
  return {
    omitted: new Set([...lost, ...attestations]),
    omissions: [...omittedImages, ...omittedAttestations],
    events: [...omissionEvents(omittedImages), ...warning],
  };
}

/**
 * Requires that a layout or archive has all content of an image, or of an index that is an entry of a list.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if content is missing
 */
export async function requireParts(
  descriptor: Descriptor,
  source: string,
  store: ReadStore,
  { missing, signal }: ContentOptions & Pick<FindingOptions, 'missing'>,
): Promise<void> {
  const parts = await missingParts(store, descriptor, { signal });
  if (parts.length === 0) return;
  throw new MlistError('ERR_MLIST_NOT_FOUND', `${source} is incomplete: it lacks ${joinNames(parts)}`, {
    reference: source,
    ...(missing === 'fill' ? afterAttempts(store) : { remedy: { kind: 'fill' } }),
  });
}

export function attestationsWarning(count: number, reference: string): OperationEvent {
  const what =
    count === 1
      ? `1 attestation is left out: it or its image is missing from ${reference}`
      : `${count} attestations are left out: they or their images are missing from ${reference}`;
  return { type: 'warning', message: what };
}

function noImageLeft(attestations: readonly Descriptor[], { reference }: MissingOptions): MlistError {
  const digests = joinNames(attestations.map(({ digest }) => digest));
  return new MlistError(
    'ERR_MLIST_NOT_FOUND',
    `only attestations are selected, and ${reference} does not have these: ${digests}`,
    { reference, hint: 'Select at least one image.' },
  );
}

/** Thrown if only some images of an index are missing, or if `fill` did not find missing content. */
export class SomeMissing extends MlistError {}

async function missingImages(
  lost: readonly Descriptor[],
  missing: MissingEntries,
  all: readonly Descriptor[],
  options: MissingOptions,
): Promise<MlistError> {
  const { reference, canChoose } = options;
  const others = all.filter((entry) => !isAttestation(entry) && !missing.has(entry.digest));
  const states = await Promise.all(others.map((entry) => stateOf(entry, options)));
  const there = others.filter((_, at) => states[at] === undefined).map(platformOrDigest);
  const message = missingText(lost, missing, reference);
  const available = `Available: ${joinNames(there)}.`;
  if (options.missing === 'fill') {
    const { hint, remedy } = afterAttempts(options.store);
    const hints = [there.length === 0 ? undefined : available, hint].filter((text) => text !== undefined);
    const all = hints.length === 0 ? undefined : hints.join(' ');
    return new SomeMissing('ERR_MLIST_NOT_FOUND', message, { reference, hint: all, remedy });
  }
  if (there.length === 0) {
    return new MlistError('ERR_MLIST_NOT_FOUND', message, {
      reference,
      hint: 'None of the images in the index is available. Check that the index was pushed or copied together with its images.',
    });
  }
  return new SomeMissing('ERR_MLIST_NOT_FOUND', message, {
    reference,
    hint: available,
    remedy: { kind: 'omit-missing', canChoose, isOmitted: options.missing === 'skip' },
  });
}

export function missingText(lost: readonly Descriptor[], missing: MissingEntries, reference: string): string {
  const areImages = lost.every((entry) => isServedAsManifest(entry.mediaType) && !isAttestation(entry));
  const what = areImages ? 'images are' : 'content is';
  const names = lost.map(
    (entry) => nameOf(entry) + (missing.get(entry.digest) === 'incomplete' ? ' (incomplete)' : ''),
  );
  return `${what} missing from ${reference}: ${joinNames(names)}`;
}

function nameOf(entry: Descriptor): string {
  return isAttestation(entry) ? `attestation ${entry.digest}` : entryName(entry);
}

export function platformOrDigest(entry: Descriptor): string {
  return entry.platform === undefined ? entryName(entry) : formatPlatform(entry.platform, { all: true });
}

const MOST_NAMED = 20;

export function joinNames(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return names.slice(0, MOST_NAMED).join(', ') + more;
}

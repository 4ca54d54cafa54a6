import { MlistError } from '../../errors/errors.ts';
import { descriptorOf, isAttestationEntry, platformOf, uniqueEntries, type Entry } from '../../draft/draft.ts';
import { describeEntry, matchesPlatform } from '../../draft/entry-selection.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { OwnImages } from './protocol.ts';
import { fullPlatform, slotName, tagOf } from './slot.ts';

/** This file groups the images of one participant into slots: one for each platform, with the attestations. */

export interface OwnSlot extends OwnImages {
  /** The draft entries from which `entries` is derived. */
  readonly sources: readonly Entry[];
}

export interface OwnOptions {
  /** Canonical reference of the tag. */
  readonly target: string;
  readonly expect: readonly Platform[];
  /** Called for each attestation whose image is not among the entries. */
  readonly onLeft: (entry: Entry) => void;
}

/**
 * Groups the entries of this participant into slots.
 * @throws MlistError `ERR_MLIST_USAGE` if an image has no platform, `ERR_MLIST_EXPECTATION` if a platform is not
 * expected, `ERR_MLIST_LIST_INVALID` if no entry is an image
 */
export function ownSlots(entries: readonly Entry[], { target, expect, onLeft }: OwnOptions): readonly OwnSlot[] {
  const images = entries.filter((entry) => !isAttestationEntry(entry));
  if (images.length === 0) throw withoutImages(target);
  const platforms = new Map<string, Entry[]>();
  for (const image of images) {
    const platform = slotPlatform(image, target, expect);
    platforms.set(platform, [...(platforms.get(platform) ?? []), image]);
  }
  const known = new Set(images.map(({ digest }) => digest));
  entries.filter(({ attests }) => attests !== undefined && !known.has(attests)).forEach(onLeft);
  return [...platforms].map(([platform, chosen]) => {
    const digests = new Set(chosen.map(({ digest }) => digest));
    const about = entries.filter(({ attests }) => attests !== undefined && digests.has(attests));
    const sources = uniqueEntries([...chosen, ...about]);
    return { name: slotName(tagOf(target), platform), platform, sources, entries: sources.map(descriptorOf) };
  });
}

/**
 * Returns the error for a participant without images. If the join succeeded, nobody would notice that the list lacks a
 * platform.
 */
function withoutImages(target: string): MlistError {
  return new MlistError('ERR_MLIST_LIST_INVALID', `cannot join ${target}: the arguments contain no image`, {
    reference: target,
    hint: 'Specify the images that this job has built.',
  });
}

/**
 * Returns the platform of the slot for an image. If platforms are expected, this is the expected platform that the
 * image matches.
 */
function slotPlatform(image: Entry, target: string, expect: readonly Platform[]): string {
  const platform = platformOf(image);
  if (platform === undefined) {
    throw new MlistError('ERR_MLIST_USAGE', `${describeEntry(image)} cannot join ${target}: its platform is unknown`, {
      hint: 'Set the platform of the image: MANIFEST=OS/ARCH.',
    });
  }
  const own = fullPlatform(platform);
  if (expect.length === 0) return own;
  const expected = expect.map(fullPlatform);
  if (expected.includes(own)) return own;
  const matching = expected.filter((_, at) => matchesPlatform(platform, expect[at] ?? platform));
  const [only, ...more] = matching;
  if (only !== undefined && more.length === 0) return only;
  const why =
    only === undefined
      ? 'its platform is not among the expected platforms'
      : `several expected platforms match: ${matching.join(', ')}`;
  throw new MlistError('ERR_MLIST_EXPECTATION', `${describeEntry(image)} cannot join ${target}: ${why}`, {
    reference: target,
    remedy: { kind: 'join', change: 'expect-each-once' },
  });
}

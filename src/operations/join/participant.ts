import { MlistError } from '../../errors/errors.ts';
import { isAttestationEntry, descriptorOf, platformOf, type Entry } from '../../draft/draft.ts';
import { describeEntry, matchesPlatform } from '../../draft/entry-selection.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { Own } from './protocol.ts';
import { fullPlatform, slotName, tagOf } from './slot.ts';

/** What the images of this runner are in slots: those of one platform, with their attestations, in one. */

export interface OwnSlot extends Own {
  /** The entries with the places that they come from. */
  readonly sources: readonly Entry[];
}

export interface OwnOptions {
  /** Canonical reference of the tag. */
  readonly target: string;
  readonly expect: readonly Platform[];
  /** Told of an entry that goes with no image. */
  readonly onLeft: (entry: Entry) => void;
}

/**
 * @throws MlistError `ERR_MLIST_USAGE` for an image without a platform, `ERR_MLIST_EXPECTATION` for one that nobody
 *   expects, `ERR_MLIST_LIST_INVALID` where there is no image
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
    const sources = distinct([...chosen, ...about]);
    return { name: slotName(tagOf(target), platform), platform, sources, entries: sources.map(descriptorOf) };
  });
}

/** A runner that adds nothing must not end as if it had. */
function withoutImages(target: string): MlistError {
  return new MlistError('ERR_MLIST_LIST_INVALID', `nothing joins ${target}: there is no image in what was named`, {
    reference: target,
    hint: 'Name what this runner has built.',
  });
}

/** The platform that a slot is named by: the one that is expected, where the build says so. */
function slotPlatform(image: Entry, target: string, expect: readonly Platform[]): string {
  const platform = platformOf(image);
  if (platform === undefined) {
    throw new MlistError('ERR_MLIST_USAGE', `${describeEntry(image)} cannot join: nobody says what it runs on`, {
      hint: 'Say it: MANIFEST=OS/ARCH.',
    });
  }
  const own = fullPlatform(platform);
  if (expect.length === 0) return own;
  const wanted = expect.map(fullPlatform);
  if (wanted.includes(own)) return own;
  const fitting = wanted.filter((_, at) => matchesPlatform(platform, expect[at] ?? platform));
  const [only, ...more] = fitting;
  if (only !== undefined && more.length === 0) return only;
  const why = only === undefined ? 'does not name it' : `names it more than once: ${fitting.join(', ')}`;
  throw new MlistError('ERR_MLIST_EXPECTATION', `${describeEntry(image)} cannot join ${target}: --expect ${why}`, {
    reference: target,
    hint: 'Name every platform of the build in --expect, each once.',
  });
}

function distinct(entries: readonly Entry[]): readonly Entry[] {
  return [...new Map(entries.map((entry) => [JSON.stringify(descriptorOf(entry)), entry])).values()];
}

import type { Entry } from '../../draft/draft.ts';
import { changeEntry, type EntryChange } from '../../draft/draft-edit.ts';
import type { ResolvedSource } from '../../draft/merge.ts';
import type { Platform } from '../../oci/platform/platform.ts';

/** The platform of `=PLATFORM`, which takes precedence over that of the image. */

/** Sets the platform of an argument on an entry. */
export function withPlatform(entry: Entry, platform: Platform | undefined): Entry {
  return platform === undefined ? entry : changeEntry(entry, changeOf(platform, entry));
}

/** The change of an image that a given platform causes; none if no platform is given. */
export function platformChange(
  image: Entry | undefined,
  platform: Platform | undefined,
): Pick<ResolvedSource, 'platformChange'> {
  return image === undefined || platform === undefined ? {} : { platformChange: changeOf(platform, image) };
}

/**
 * The change that replaces the detected platform by the given one. If the os is the same, the detected version and
 * features are kept unless others are given.
 */
function changeOf(given: Platform, { detected }: Entry): EntryChange {
  const isOtherOs = detected?.os !== given.os;
  const version = given['os.version'] ?? (isOtherOs ? null : undefined);
  const features = given['os.features'];
  return {
    platform: {
      os: given.os,
      architecture: given.architecture,
      variant: given.variant ?? null,
      ...(version === undefined ? {} : { 'os.version': version }),
    },
    ...(features === undefined && !isOtherOs ? {} : { features: { clear: true, add: features ?? [] } }),
  };
}

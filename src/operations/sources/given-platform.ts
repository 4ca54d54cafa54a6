import type { Entry } from '../../draft/draft.ts';
import { changeEntry, type EntryChange } from '../../draft/draft-edit.ts';
import type { ResolvedSource } from '../../draft/merge.ts';
import type { Platform } from '../../oci/platform/platform.ts';

/**
 * The functions of this file apply the platform of an argument `MANIFEST=PLATFORM`, which takes precedence over the
 * platform of the image.
 */

/** Returns the entry with the given platform, or the unchanged entry if `platform` is undefined. */
export function withPlatform(entry: Entry, platform: Platform | undefined): Entry {
  return platform === undefined ? entry : changeEntry(entry, changeOf(platform, entry));
}

/**
 * Returns an object with the change that a given platform makes to an image. The object is empty if there is no image,
 * or no platform is given.
 */
export function platformChange(
  image: Entry | undefined,
  platform: Platform | undefined,
): Pick<ResolvedSource, 'platformChange'> {
  return image === undefined || platform === undefined ? {} : { platformChange: changeOf(platform, image) };
}

/**
 * Returns the change that replaces the detected platform with the given one. If the OS is the same, the detected
 * version and features are kept unless others are given.
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

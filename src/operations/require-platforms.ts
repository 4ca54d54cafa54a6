import { MlistError } from '../errors/errors.ts';
import { matchesPlatform, platformNotFoundText } from '../draft/entry-selection.ts';
import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/**
 * Requires an image for every requested platform.
 * @param subject - the list or source that has the images, for the message
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if there is no image for a requested platform
 */
export function requirePlatforms(
  requested: readonly Platform[],
  available: readonly Platform[],
  subject: string,
): void {
  const missing = requested.filter((platform) => !available.some((candidate) => matchesPlatform(candidate, platform)));
  if (missing.length === 0) return;
  const missingText = missing.map((platform) => platformNotFoundText(platform, available)).join(', ');
  throw new MlistError('ERR_MLIST_PLATFORM_NOT_FOUND', `${subject} has no image for ${missingText}`, {
    hint: availableHint(available),
  });
}

/** Returns a hint that lists the available platforms without duplicates, or undefined for an empty array. */
export function availableHint(platforms: readonly Platform[]): string | undefined {
  const names = new Set(platforms.map((platform) => formatPlatform(platform, { all: true })));
  return names.size === 0 ? undefined : `Available: ${[...names].join(', ')}.`;
}

import { MlistError } from '../errors/errors.ts';
import { matchesPlatform, platformNotFoundText } from '../draft/entry-selection.ts';
import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/**
 * Requires an image for every requested platform.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`
 */
export function requirePlatforms(wanted: readonly Platform[], there: readonly Platform[], where: string): void {
  const missing = wanted.filter((one) => !there.some((platform) => matchesPlatform(platform, one)));
  if (missing.length === 0) return;
  const names = (platforms: readonly Platform[]) =>
    [...new Set(platforms.map((platform) => formatPlatform(platform, { all: true })))].join(', ');
  const missed = missing.map((one) => platformNotFoundText(one, there)).join(', ');
  throw new MlistError('ERR_MLIST_PLATFORM_NOT_FOUND', `${where} has no image for ${missed}`, {
    hint: there.length === 0 ? undefined : `There are: ${names(there)}.`,
  });
}

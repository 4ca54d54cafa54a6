import { matchesPlatform, platformNotFoundText } from '../../draft/entry-selection.ts';
import type { Problem } from '../../errors/errors.ts';
import { pointerTo } from '../../json/pointer.ts';
import { isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { formatPlatform, isUnknownPlatform, type Platform } from '../../oci/platform/platform.ts';
import { error, warning } from '../../schema/problems.ts';
import type { PlacedPlatform } from '../listed-platforms.ts';

/** `validate --expect`: compares the platforms of a list with the expected ones (docs/rules.md, E-EXPECT). */

/** The platforms that the entries of a list state. */
export function platformsOfEntries(manifests: readonly Descriptor[]): readonly PlacedPlatform[] {
  return manifests.flatMap((entry, at) => {
    const { platform } = entry;
    if (isAttestation(entry) || platform === undefined || isUnknownPlatform(platform)) return [];
    return [{ platform, pointer: pointerTo('manifests', at) }];
  });
}

/** An error for each expected platform without an image, and a warning for each image that is not expected. */
export function compareExpected(available: readonly PlacedPlatform[], expect: readonly Platform[]): readonly Problem[] {
  const platforms = available.map(({ platform }) => platform);
  const missing = expect.filter((requested) => !platforms.some((platform) => matchesPlatform(platform, requested)));
  const texts = new Set(missing.map((requested) => platformNotFoundText(requested, platforms)));
  const extra = available.filter(({ platform }) => !expect.some((requested) => matchesPlatform(platform, requested)));
  return [
    ...[...texts].map((text) => error('E-EXPECT', '', `there is no image for ${text}, which is expected`)),
    ...extra.map(({ platform, pointer }) =>
      warning('E-EXPECT', pointer, `the image for ${formatPlatform(platform, { all: true })} is not expected`),
    ),
  ];
}

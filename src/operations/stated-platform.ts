import { MlistError, withHint } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { platformOfConfig } from '../oci/manifest.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { readImageConfig } from '../schema/documents.ts';

/**
 * The platform that an image's config states; undefined if it states none, or if it is not an image config, which is
 * not read.
 * @param config - its descriptor in the image's manifest
 * @param name - the image, for errors
 * @param isGiven - whether the author gives the platform, so that the config may lack it; undefined if the image is not
 * being added to a list
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`, and the errors of `fetch`
 */
export async function statedPlatform(
  config: Descriptor,
  name: string,
  fetch: () => Promise<Uint8Array>,
  isGiven?: boolean,
): Promise<Platform | undefined> {
  if (!isImageConfigType(config.mediaType)) return undefined;
  const bytes = await fetch();
  const subject = `the config of ${name}`;
  try {
    return platformOfConfig(readImageConfig(bytes, subject, { mayLackPlatform: isGiven === true }));
  } catch (thrown) {
    throw isGiven === false && thrown instanceof MlistError && isValidWithoutPlatform(bytes, subject)
      ? withHint(thrown, GIVE_PLATFORM)
      : thrown;
  }
}

const GIVE_PLATFORM = 'Give the platform of the image: IMAGE=OS/ARCH, or "platform" in a spec.';

/** Whether a config is valid apart from the missing platform. */
function isValidWithoutPlatform(bytes: Uint8Array, subject: string): boolean {
  try {
    readImageConfig(bytes, subject, { mayLackPlatform: true });
    return true;
  } catch {
    return false;
  }
}

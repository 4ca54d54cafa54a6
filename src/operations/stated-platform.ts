import { MlistError, withHint } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { platformOfConfig } from '../oci/manifest.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { readImageConfig } from '../schema/documents.ts';

/**
 * Reads the platform of an image from its config. Returns undefined if the os or architecture in the config is empty.
 * Also returns undefined, without fetching the config, if its media type is not the type of an image config.
 * @param config - the descriptor of the config in the image manifest
 * @param name - the image, for errors
 * @param isGiven - whether the author has given the platform, in which case the config may lack it; undefined if the
 * image is not being added to a list
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the config is invalid or lacks a required platform; the errors of
 * `fetch`
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

const GIVE_PLATFORM = 'Specify the platform of the image as MANIFEST=OS/ARCH, or with "platform" in a spec.';

/** Whether a config is valid apart from the missing platform. */
function isValidWithoutPlatform(bytes: Uint8Array, subject: string): boolean {
  try {
    readImageConfig(bytes, subject, { mayLackPlatform: true });
    return true;
  } catch {
    return false;
  }
}

import { MlistError, withHint } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { platformOfConfig } from '../oci/manifest.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { readImageConfig } from '../schema/documents.ts';

/**
 * The platform that an image's config states; undefined if it states none, or is not an image config and therefore not
 * read.
 * @param config - as the image's manifest describes it
 * @param name - of the image, for errors
 * @param isGiven - whether the author states the platform, so that the config may lack it; undefined if the image is not
 *   being listed
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`, and what `fetch` throws
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
    throw isGiven === false && thrown instanceof MlistError && isRead(bytes, subject)
      ? withHint(thrown, GIVE_PLATFORM)
      : thrown;
  }
}

const GIVE_PLATFORM = 'Give the platform of the image: IMAGE=OS/ARCH, or "platform" in a spec.';

/** Whether a config can be read apart from the platform that it lacks. */
function isRead(bytes: Uint8Array, subject: string): boolean {
  try {
    readImageConfig(bytes, subject, { mayLackPlatform: true });
    return true;
  } catch {
    return false;
  }
}

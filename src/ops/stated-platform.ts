import { MlistError, withHint } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { platformOfConfig } from '../oci/manifest.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import { readImageConfig } from '../schema/document.ts';

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
    throw isGiven === false && lacksPlatform(thrown) ? withHint(thrown, GIVE_PLATFORM) : thrown;
  }
}

const GIVE_PLATFORM = 'Give the platform of the image: IMAGE=OS/ARCH, or "platform" in a spec.';

function lacksPlatform(thrown: unknown): thrown is MlistError {
  if (!(thrown instanceof MlistError)) return false;
  return thrown.problems.some(({ pointer, message }) =>
    /^(?: "(?:os|architecture)" is missing|\/(?:os|architecture) .*, not null)$/.test(`${pointer} ${message}`),
  );
}

import type { Descriptor } from '../oci/descriptor.ts';
import { platformOfConfig } from '../oci/manifest.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import { readImageConfig } from '../schema/document.ts';

/**
 * The platform that an image's config states; undefined where it states none, or is no config of an image and so is not
 * read.
 * @param config - as the image's manifest describes it
 * @param name - of the image, for errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`, and what `fetch` throws
 */
export async function statedPlatform(
  config: Descriptor,
  name: string,
  fetch: () => Promise<Uint8Array>,
): Promise<Platform | undefined> {
  if (!isImageConfigType(config.mediaType)) return undefined;
  return platformOfConfig(readImageConfig(await fetch(), `the config of ${name}`));
}

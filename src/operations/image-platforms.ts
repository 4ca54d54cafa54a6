import type { ManifestContent, ContentReader } from '../store/store.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { readImageManifest } from '../schema/documents.ts';
import type { LookupResult, ReadOptions } from './lookup.ts';
import { statedPlatform } from './stated-platform.ts';

export interface ImageReading {
  readonly store: ContentReader;
  /** The reference of the image or of its list. Error messages add the digest of the image. */
  readonly reference: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Reads the platform of an image from its config. Returns an array with this platform, or an empty array if the os or
 * architecture in the config is empty, or if the config is not an image config.
 */
export async function platformsOfImage(
  { bytes, descriptor }: ManifestContent,
  { store, reference, signal }: ImageReading,
): Promise<readonly Platform[]> {
  const name = `${reference}@${descriptor.digest}`;
  const { config } = readImageManifest(bytes, descriptor.mediaType, name);
  const platform = await statedPlatform(config, name, () => store.fetchBlob(config, { signal }));
  return platform === undefined ? [] : [platform];
}

/** Like `platformsOfImage`, for the result of a lookup. Returns undefined for lists and drafts. */
export async function platformsOfSingle(
  found: LookupResult,
  { stores, signal }: ReadOptions,
): Promise<readonly Platform[] | undefined> {
  if (found.from === 'draft' || isIndexType(found.content.descriptor.mediaType)) return undefined;
  const store = await (await stores()).source(found.location, { signal });
  return platformsOfImage(found.content, { store, reference: found.reference, signal });
}

import type { ManifestContent, ContentReader } from '../store/store.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { readImageManifest } from '../schema/documents.ts';
import type { LookupResult, ReadOptions } from './lookup.ts';
import { statedPlatform } from './stated-platform.ts';

export interface ImageReading {
  readonly store: ContentReader;
  /** The reference of the image, for errors. */
  readonly reference: string;
  readonly signal: AbortSignal | undefined;
}

/** The platform that an image's config states, as a list; empty if it states none or is not an image config. */
export async function platformsOfImage(
  { bytes, descriptor }: ManifestContent,
  { store, reference, signal }: ImageReading,
): Promise<readonly Platform[]> {
  const name = `${reference}@${descriptor.digest}`;
  const { config } = readImageManifest(bytes, descriptor.mediaType, name);
  const platform = await statedPlatform(config, name, () => store.fetchBlob(config, { signal }));
  return platform === undefined ? [] : [platform];
}

/** As `platformsOfImage`, for a single image that `lookup` found; undefined for a list. */
export async function platformsOfSingle(
  found: LookupResult,
  { stores, signal }: ReadOptions,
): Promise<readonly Platform[] | undefined> {
  if (found.from === 'draft' || isIndexType(found.content.descriptor.mediaType)) return undefined;
  const store = await (await stores()).source(found.location, { signal });
  return platformsOfImage(found.content, { store, reference: found.reference, signal });
}

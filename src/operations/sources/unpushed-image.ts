import type { Entry } from '../../draft/draft.ts';
import type { EngineLocation } from '../../oci/engine-location.ts';
import { isInEngine, type Location } from '../../oci/location.ts';
import { MediaType } from '../../oci/media-type.ts';
import type { EngineImage } from '../../store/engine/engine-image.ts';
import type { Stores } from '../../store/open.ts';
import type { ContentOptions } from '../../store/store.ts';

/**
 * The image of a location in an engine that keeps no manifests. It is pinned by its ID, without an export: the first push
 * generates its manifest.
 * @returns undefined for all other locations, whose content has a manifest
 * @throws MlistError `ERR_MLIST_NOT_FOUND`, and the errors of the engine
 */
export async function findUnpushed(
  location: Location,
  { stores, signal }: ContentOptions & { readonly stores: Stores },
): Promise<EngineImage | undefined> {
  if (!isInEngine(location) || location.digest !== undefined) return undefined;
  const image = await (await stores.engineImage(location)).describe({ signal });
  return image.root === undefined ? image : undefined;
}

/** The entry of an image that has no manifest yet. The manifest will be an OCI manifest. */
export function unpushedEntry(source: Location, { id, platform, layers }: EngineImage): Entry {
  const image = { id, layers };
  return { source, image, mediaType: MediaType.ociManifest, digest: id, size: 0, detected: platform };
}

/** The location of the same image by its ID. */
export function pinnedToId(source: EngineLocation, { image }: Entry): EngineLocation {
  return image === undefined ? source : { ...source, image: image.id };
}

import type { Problem } from '../errors.ts';
import { isVerifiable } from '../oci/digest.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import { isForeignLayerType, MediaType } from '../oci/media-type.ts';
import { pointerTo } from '../oci/pointer.ts';
import { error, warning } from './problems.ts';

/** What an image manifest must keep beyond its schema. */
export function* checkManifest(manifest: ImageManifest): Iterable<Problem> {
  if (manifest.config.mediaType === MediaType.ociEmpty && manifest.artifactType === undefined) {
    yield error('E-ARTIFACT-TYPE', '/config/mediaType', 'a manifest with the empty config must state its artifactType');
  }
  for (const [at, layer] of manifest.layers.entries()) {
    const pointer = pointerTo('layers', at);
    if (isForeignLayerType(layer.mediaType)) {
      yield warning('W-FOREIGN', `${pointer}/mediaType`, 'a layer that registries do not hold: it cannot be copied');
    }
    if (!isVerifiable(layer.digest)) {
      yield warning('E-DIGEST', `${pointer}/digest`, 'content cannot be checked with this algorithm');
    }
  }
}

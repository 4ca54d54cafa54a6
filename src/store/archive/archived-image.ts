import type { Digest } from '../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../json/parse.ts';
import { diffIdsOf, type ArchivedImage } from '../../schema/docker-documents.ts';
import { digestOfStream, type AbsentLayer, type StoredImage, type StoredLayer } from '../docker-image/derive-image.ts';
import { layerTypes } from '../docker-image/layer-compression.ts';
import { compressionIn } from './decompress.ts';
import { displayName } from './tar/tar-names.ts';
import { invalidArchive, type TarFile } from './tar/tar-file.ts';

/**
 * Finds the config and the layers that manifest.json lists for an image in a docker archive.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if a part of the image is missing, if manifest.json and the config
 * have different numbers of layers, or if the compression of a layer is not supported
 */
export async function archivedImage(tar: TarFile, image: ArchivedImage): Promise<StoredImage> {
  const config = await tar.bytes(image.config, MAX_DOCUMENT_BYTES);
  if (config === undefined) throw invalidArchive(tar, `the config ${displayName(image.config)} of an image is missing`);
  const diffIds = diffIdsOf(config);
  if (diffIds.length > 0 && diffIds.length !== image.layers.length) {
    throw invalidArchive(
      tar,
      `an image has ${diffIds.length} layers in its config, but ${image.layers.length} in manifest.json`,
    );
  }
  const layers: (StoredLayer | AbsentLayer)[] = [];
  for (const [at, name] of image.layers.entries()) {
    const diffId = diffIds[at];
    const foreign = diffId === undefined ? undefined : image.sources.get(diffId);
    if (tar.size(name) !== undefined) layers.push({ ...(await storedLayer(tar, name)), diffId });
    else if (foreign !== undefined) layers.push({ descriptor: foreign });
    else throw invalidArchive(tar, `the layer ${displayName(name)} of an image is missing`);
  }
  return { location: tar.name, config, layers };
}

/**
 * Reads the size and compression of a layer. The digest of a compressed layer is taken from its file name or, if the
 * name does not contain it, computed.
 */
async function storedLayer(tar: TarFile, name: string): Promise<StoredLayer> {
  const size = tar.size(name) ?? 0;
  const open = (signal?: AbortSignal) => tar.stream(name, { signal });
  const compression = await compressionOfFile(tar, name);
  if (compression === undefined) return { open, size };
  if (compression === 'gzip' || compression === 'zstd') {
    const digest = digestInName(name) ?? (await digestOfStream(open()));
    return { open, size, descriptor: { mediaType: layerTypes[compression], digest, size } };
  }
  throw invalidArchive(
    tar,
    `the layer ${displayName(name)} is compressed with ${compression}, which is not supported for layers`,
  );
}

async function compressionOfFile(tar: TarFile, name: string): Promise<ReturnType<typeof compressionIn>> {
  for await (const chunk of tar.stream(name, { first: 8 })) return compressionIn(chunk);
  return undefined;
}

/** Returns the digest in a file name of the form `blobs/sha256/<encoded>`, or undefined for other names. */
function digestInName(name: string): Digest | undefined {
  const [, encoded] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name) ?? [];
  return encoded === undefined ? undefined : (`sha256:${encoded}` as Digest);
}

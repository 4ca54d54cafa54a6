import type { ManifestContent } from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { Digester, digestOf, type Digest } from '../../oci/digest.ts';
import { writeJson } from '../../json/stringify.ts';
import { MAX_DOCUMENT_BYTES } from '../../json/parse.ts';
import { MediaType } from '../../oci/media-type.ts';
import { diffIdsOf, type ArchivedImage } from '../../schema/docker-documents.ts';
import { compressionIn } from './decompress.ts';
import { blobName } from './tar/tar-blobs.ts';
import { displayName } from './tar/tar-names.ts';
import { invalidArchive, type TarFile } from './tar/tar-file.ts';

/** An image of a docker archive, with a generated manifest. */
export interface DerivedImage {
  readonly content: ManifestContent;
  /** Names of the config and the layers in the archive. */
  readonly files: ReadonlyMap<Digest, string>;
}

/**
 * Generates the manifest of an image that is stored without one: an OCI manifest with the config and the layers as they are
 * in the archive. It has the same bytes as the manifest that docker 27 and later write for the image (moby,
 * image/tarexport/save.go), so its digest does not depend on the version of docker. In a registry the digest differs,
 * because layers are compressed there.
 */
export async function deriveImage(tar: TarFile, image: ArchivedImage): Promise<DerivedImage> {
  const config = await tar.bytes(image.config, MAX_DOCUMENT_BYTES);
  if (config === undefined) throw invalidArchive(tar, `the config ${displayName(image.config)} of an image is missing`);
  const diffIds = diffIdsOf(config);
  if (diffIds.length > 0 && diffIds.length !== image.layers.length) {
    throw invalidArchive(
      tar,
      `an image has ${diffIds.length} layers in its config, but ${image.layers.length} in manifest.json`,
    );
  }
  const configDescriptor = { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.length };
  const files = new Map<Digest, string>([[configDescriptor.digest, image.config]]);
  const layers: Descriptor[] = [];
  for (const [at, name] of image.layers.entries()) {
    const diffId = diffIds[at];
    const foreign = diffId === undefined ? undefined : image.sources.get(diffId);
    if (tar.size(name) === undefined && foreign === undefined) {
      throw invalidArchive(tar, `the layer ${displayName(name)} of an image is missing`);
    }
    if (tar.size(name) === undefined && foreign !== undefined) {
      layers.push(foreign);
      continue;
    }
    const layer = await layerDescriptor(tar, name, diffId);
    files.set(layer.digest, name);
    layers.push(layer);
  }
  const document = { schemaVersion: 2, mediaType: MediaType.ociManifest, config: configDescriptor, layers };
  const bytes = Buffer.from(writeJson(document, { goEscapes: true }));
  return {
    content: { descriptor: { mediaType: MediaType.ociManifest, digest: digestOf(bytes), size: bytes.length }, bytes },
    files,
  };
}

const layerTypes = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

/**
 * The descriptor of a layer in the archive. The digest of an uncompressed layer is in the config, and that of a compressed
 * layer may be in its name; otherwise the layer is read to compute it. Digests are verified when the layer is read.
 */
async function layerDescriptor(tar: TarFile, name: string, diffId: Digest | undefined): Promise<Descriptor> {
  const size = tar.size(name) ?? 0;
  const compression = await compressionOfFile(tar, name);
  if (compression !== 'none' && compression !== 'gzip' && compression !== 'zstd') {
    throw invalidArchive(
      tar,
      `the layer ${displayName(name)} is compressed with ${compression}, which is not supported for layers`,
    );
  }
  const known = compression === 'none' ? diffId : digestInName(name);
  return { mediaType: layerTypes[compression], digest: known ?? (await computeDigest(tar, name)), size };
}

async function compressionOfFile(
  tar: TarFile,
  name: string,
): Promise<'none' | (ReturnType<typeof compressionIn> & string)> {
  for await (const chunk of tar.stream(name, { first: 8 })) return compressionIn(chunk) ?? 'none';
  return 'none';
}

/** The digest in a file name of the form `blobs/sha256/<encoded>`. */
function digestInName(name: string): Digest | undefined {
  const digest = `sha256:${name.slice(name.lastIndexOf('/') + 1)}` as Digest;
  return /^blobs\/sha256\/[0-9a-f]{64}$/.test(name) && blobName(digest) === name ? digest : undefined;
}

async function computeDigest(tar: TarFile, name: string): Promise<Digest> {
  const digester = new Digester();
  for await (const chunk of tar.stream(name)) digester.update(chunk);
  return digester.digest();
}

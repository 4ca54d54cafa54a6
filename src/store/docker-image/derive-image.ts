import type { ManifestContent } from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { Digester, digestOf, type Digest } from '../../oci/digest.ts';
import { writeJson } from '../../json/stringify.ts';
import { MediaType } from '../../oci/media-type.ts';
import { damagedBlob, damageError, verified, type BlobIdentity } from '../verify.ts';
import { layerTypes, type LayerCompression } from './layer-compression.ts';
import type { LayerCompressor, OpenStream, ReadableLayer } from './layer-compressor.ts';

/** A layer as an archive or an engine stores it. */
export interface StoredLayer {
  /** Streams the stored bytes of the layer. */
  readonly open: OpenStream;
  /** Number of stored bytes. */
  readonly size: number;
  /**
   * The descriptor of a layer that is stored compressed and is pushed unchanged. Default: the layer is uncompressed.
   */
  readonly descriptor?: Descriptor | undefined;
  /** The diff ID that the config states for the layer. Default: it is computed. */
  readonly diffId?: Digest | undefined;
}

/** A layer that is not stored with the image, but at its URLs or in a registry. */
export interface AbsentLayer {
  readonly descriptor: Descriptor;
  readonly open?: undefined;
  readonly read?: undefined;
}

/** An image from which a manifest is generated. */
export interface StoredImage {
  /** Where the image is stored, for messages. */
  readonly location: string;
  /** The exact bytes of the config. */
  readonly config: Uint8Array;
  /** The layers, from the lowest to the highest. */
  readonly layers: readonly (StoredLayer | AbsentLayer)[];
}

export interface DeriveOptions {
  readonly compression: LayerCompression;
  /** Compresses the layers, unless `compression` is `none`. */
  readonly compressor: Pick<LayerCompressor, 'compress'>;
  readonly signal?: AbortSignal | undefined;
}

/** An image with its manifest, which was generated or found in a docker archive. */
export interface DerivedImage {
  readonly content: ManifestContent;
  /**
   * Streams the config or a layer, and verifies it. Returns undefined for other blobs and for an `AbsentLayer`, and for
   * all blobs if the manifest was found in the archive, which then stores them under their digests.
   */
  readonly read: (blob: BlobIdentity, signal?: AbortSignal) => AsyncIterable<Uint8Array> | undefined;
}

/**
 * Generates the OCI manifest of an image from its config and its layers. With `compression: 'none'`, the bytes are
 * identical to the manifest that docker 27 and later write (moby, image/tarexport/save.go), so the image has the same
 * digest whichever docker version saved it. With `gzip`, the digest is the same on all machines, because the
 * compression is reproducible.
 * @throws MlistError the errors of `LayerCompressor.compress`
 */
export async function deriveImage(image: StoredImage, options: DeriveOptions): Promise<DerivedImage> {
  const { location, config, layers } = image;
  const configDescriptor = { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.length };
  const blobs = new Map<Digest, ReadableLayer>();
  blobs.set(configDescriptor.digest, { descriptor: configDescriptor, read: () => once(config) });
  const descriptors: Descriptor[] = [];
  for (const layer of layers) {
    const { descriptor, read } = layer.open === undefined ? layer : await readable(layer, { ...options, location });
    descriptors.push(descriptor);
    if (read !== undefined) blobs.set(descriptor.digest, { descriptor, read });
  }
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: configDescriptor,
    layers: descriptors,
  };
  const bytes = Buffer.from(writeJson(document, { goEscapes: true }));
  return {
    content: { descriptor: { mediaType: MediaType.ociManifest, digest: digestOf(bytes), size: bytes.length }, bytes },
    read: ({ digest, size }, signal) => {
      const blob = blobs.get(digest);
      if (blob === undefined || blob.descriptor.size === size) return blob?.read(signal);
      throw damagedBlob(digest, `${blob.descriptor.size} bytes, not ${size}`, location);
    },
  };
}

interface ReadableOptions extends DeriveOptions {
  readonly location: string;
}

/**
 * Compresses a layer if necessary, and returns it with its descriptor. The digest of an uncompressed layer is its diff
 * ID, which is computed if the config does not state it.
 */
async function readable(
  { open, size, descriptor, diffId: stated }: StoredLayer,
  { compression, compressor, location, signal }: ReadableOptions,
): Promise<ReadableLayer> {
  const asStored = (own: Descriptor): ReadableLayer => ({
    descriptor: own,
    read: (reading) => verified(own, open(reading), damageError(location)),
  });
  if (descriptor !== undefined) return asStored(descriptor);
  const diffId = stated ?? (await digestOfStream(open(signal)));
  if (compression === 'none') return asStored({ mediaType: layerTypes.none, digest: diffId, size });
  return compressor.compress({ diffId, open }, compression, signal);
}

/** Computes the SHA-256 digest of a stream. */
export async function digestOfStream(chunks: AsyncIterable<Uint8Array>): Promise<Digest> {
  const digester = new Digester();
  for await (const chunk of chunks) digester.update(chunk);
  return digester.digest();
}

// eslint-disable-next-line @typescript-eslint/require-await -- callers need an async iterable
async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

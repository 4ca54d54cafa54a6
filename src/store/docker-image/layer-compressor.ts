import { getOrCreate } from '../../async/single-flight.ts';
import { SerialQueue } from '../../async/serial-queue.ts';
import type { Spool, SpoolFile } from '../../fs/spool.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestAlgorithm, Digester, type Digest } from '../../oci/digest.ts';
import { checkVerifiable, damagedBlob, damageError, verified } from '../verify.ts';
import { compressor, formatOf, layerTypes, type Compress, type LayerCompression } from './layer-compression.ts';
import type { LayerRecords } from './layer-records.ts';

/** Opens a stream. Each call starts at the first byte. */
export type OpenStream = (signal?: AbortSignal) => AsyncIterable<Uint8Array>;

/** A layer that is stored uncompressed. */
export interface UncompressedLayer {
  /** The diff ID of the layer. If the content has another digest, compression fails. */
  readonly diffId: Digest;
  readonly open: OpenStream;
}

/** A layer as it is pushed. */
export interface ReadableLayer {
  readonly descriptor: Descriptor;
  /** Streams the content of the descriptor, and verifies it. */
  readonly read: OpenStream;
}

export interface LayerCompressorOptions {
  /** Where the compressed layers are stored. */
  readonly spool: Spool;
  /** The digests and sizes of layers that earlier commands have compressed. Default: none. */
  readonly records?: LayerRecords | undefined;
  /** Receives a message if compression takes longer than usual on this machine. */
  readonly onNote?: ((message: string) => void) | undefined;
}

/**
 * Compresses the layers of one command. Each layer without a record is compressed once. These layers are compressed one
 * at a time, since a single layer uses the whole thread pool. The results are stored in one file of the spool, so
 * memory use does not depend on their size.
 */
export class LayerCompressor {
  readonly #options: LayerCompressorOptions;
  readonly #queue = new SerialQueue();
  readonly #layers = new Map<string, Promise<ReadableLayer>>();
  #file: Promise<SpoolFile> | undefined;

  constructor(options: LayerCompressorOptions) {
    this.#options = options;
  }

  /**
   * Compresses a layer. If an earlier command has recorded the digest and size of the result, the layer is compressed
   * only when the result is read.
   * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the layer does not match its diff ID; `ERR_MLIST_FILE` if the
   * spool is full; `ERR_MLIST_USAGE` if this version of Node does not support the compression
   */
  compress(
    layer: UncompressedLayer,
    compression: Exclude<LayerCompression, 'none'>,
    signal?: AbortSignal,
  ): Promise<ReadableLayer> {
    const key = `${compression} ${layer.diffId}`;
    return getOrCreate(this.#layers, key, () => {
      const compressed = this.#find(layer, compression, signal);
      compressed.catch(() => this.#layers.delete(key));
      return compressed;
    });
  }

  async #find(
    layer: UncompressedLayer,
    compression: Exclude<LayerCompression, 'none'>,
    signal: AbortSignal | undefined,
  ): Promise<ReadableLayer> {
    const { records, onNote } = this.#options;
    checkVerifiable(layer.diffId);
    const compress = await compressor(compression, onNote);
    const format = formatOf(compression);
    const mediaType = layerTypes[compression];
    const known = await records?.find(layer.diffId, format);
    if (known !== undefined) {
      const read: OpenStream = (own) => verified(known, compress(verifiedLayer(layer, own)), damageError());
      return { descriptor: { mediaType, ...known }, read };
    }
    const stored = await this.#queue.run(() => this.#store(layer, compress, signal));
    const { digest, size } = stored;
    await records?.put(layer.diffId, format, { digest, size });
    const read: OpenStream = (own) => verified({ digest, size }, stored.read(own), damageError());
    return { descriptor: { mediaType, digest, size }, read };
  }

  /** Compresses a layer into the spool. */
  async #store(
    layer: UncompressedLayer,
    compress: Compress,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly digest: Digest; readonly size: number; readonly read: OpenStream }> {
    signal?.throwIfAborted();
    const file = await (this.#file ??= this.#options.spool.create());
    const digester = new Digester();
    const range = await file.appendAll(hashed(compress(verifiedLayer(layer, signal)), digester), signal);
    return { digest: digester.digest(), size: range.end - range.start, read: (own) => file.read(range, own) };
  }
}

/** Passes on the chunks of a layer. Fails after the last chunk if the layer does not match its diff ID. */
async function* verifiedLayer(
  { diffId, open }: UncompressedLayer,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const digester = new Digester(digestAlgorithm(diffId));
  yield* hashed(open(signal), digester);
  const actual = digester.digest();
  if (actual !== diffId) throw damagedBlob(diffId, `the digest ${actual}`);
}

async function* hashed(chunks: AsyncIterable<Uint8Array>, digester: Digester): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    digester.update(chunk);
    yield chunk;
  }
}

import * as zlib from 'node:zlib';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MlistError } from '../../errors/errors.ts';
import { DEFLATE_LEVEL, deflater } from './deflate.ts';
import { blocksOf, gzipBlocks } from './gzip-blocks.ts';

/** How layers that are stored uncompressed are compressed. Layers that are compressed already are not changed. */
export type LayerCompression = 'gzip' | 'zstd' | 'none';

/** Media types of layers (image-spec v1.1.1 layer.md). */
export const layerTypes: Readonly<Record<LayerCompression, string>> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
};

/** The compression that the media type of a layer states; undefined for content of other types. */
export function compressionOfType(mediaType: string): LayerCompression | undefined {
  return (Object.keys(layerTypes) as LayerCompression[]).find((compression) => layerTypes[compression] === mediaType);
}

const ZSTD_LEVEL = 3;

/** Part of node:zlib since Node 22.15; the types of this project are those of Node 20. */
interface Zstd {
  readonly createZstdCompress?: (options: object) => Duplex;
  readonly createZstdDecompress?: () => Duplex;
}

const { createZstdCompress, createZstdDecompress } = zlib as Zstd;

/**
 * Streams that compress and decompress zstd.
 * @param what - what needs them, such as `--compression zstd`
 * @throws MlistError `ERR_MLIST_USAGE` if this version of Node does not support zstd
 */
export function zstdStreams(what: string): { readonly compress: () => Duplex; readonly decompress: () => Duplex } {
  if (createZstdCompress === undefined || createZstdDecompress === undefined) {
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `${what} needs Node 22.15 or newer (this is Node ${process.versions.node})`,
    );
  }
  const level = (zlib.constants as { readonly ZSTD_c_compressionLevel?: number }).ZSTD_c_compressionLevel ?? 100;
  return { compress: () => createZstdCompress({ params: { [level]: ZSTD_LEVEL } }), decompress: createZstdDecompress };
}

/** Compresses a stream of bytes. */
export type Compress = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/**
 * The function that compresses in this format.
 * @param onNote - receives a message if compression takes longer than usual on this machine
 * @throws MlistError `ERR_MLIST_USAGE` if this version of Node does not support the format
 */
export async function compressor(
  format: Exclude<LayerCompression, 'none'>,
  onNote?: (message: string) => void,
): Promise<Compress> {
  if (format === 'zstd') return compressZstd;
  const deflate = await deflater(onNote);
  return (chunks) => gzipBlocks(chunks, deflate);
}

/** The blocks make the result independent of the size of the chunks. */
function compressZstd(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return through(blocksOf(chunks), zstdStreams('zstd compression').compress());
}

/** Passes chunks through a stream of node:zlib. An error of either ends the iteration. */
export async function* through(chunks: AsyncIterable<Uint8Array>, stream: Duplex): AsyncGenerator<Uint8Array> {
  // The error is also that of the iteration below.
  pipeline(chunks, stream).catch(() => undefined);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } finally {
    stream.destroy();
  }
}

/**
 * Identifies the bytes that a compression produces: equal formats compress the same data to the same bytes. The result of
 * zstd depends on the version of its library.
 */
export function formatOf(compression: Exclude<LayerCompression, 'none'>): string {
  if (compression === 'gzip') return `gzip-${DEFLATE_LEVEL}`;
  return `zstd-${ZSTD_LEVEL}-${process.versions['zstd'] ?? process.versions.node}`;
}

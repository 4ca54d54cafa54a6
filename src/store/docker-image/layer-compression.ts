import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DEFLATE_LEVEL, deflater } from './deflate.ts';
import { blocksOf, gzipBlocks } from './gzip-blocks.ts';
import { ZSTD_LEVEL, zstdStreams } from './zstd.ts';

/** How layers that are stored uncompressed are compressed. Layers that are already compressed are not changed. */
export type LayerCompression = 'gzip' | 'zstd' | 'none';

/** The media type of a layer with each compression (image-spec v1.1.1 layer.md). */
export const layerTypes: Readonly<Record<LayerCompression, string>> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
};

/**
 * Returns the compression that the media type of an OCI layer states; undefined for all other media types, including
 * Docker's layer types.
 */
export function compressionOfType(mediaType: string): LayerCompression | undefined {
  return (Object.keys(layerTypes) as LayerCompression[]).find((compression) => layerTypes[compression] === mediaType);
}

export type Compress = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/**
 * Returns a function that compresses in this format. For zstd, that function throws MlistError `ERR_MLIST_USAGE` if
 * this version of Node does not support it.
 * @param onNote - receives a message if compression takes longer than usual on this machine
 */
export async function compressor(
  format: Exclude<LayerCompression, 'none'>,
  onNote?: (message: string) => void,
): Promise<Compress> {
  if (format === 'zstd') return compressZstd;
  const deflate = await deflater(onNote);
  return (chunks) => gzipBlocks(chunks, deflate);
}

/** Compresses a stream with zstd, in blocks, so that the result does not depend on the size of the chunks. */
function compressZstd(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return through(blocksOf(chunks), zstdStreams('zstd compression').compress());
}

/**
 * Passes chunks through a stream of node:zlib. If the source or the stream fails, the iteration fails with that error.
 */
export async function* through(chunks: AsyncIterable<Uint8Array>, stream: Duplex): AsyncGenerator<Uint8Array> {
  // The iteration below throws the same error.
  pipeline(chunks, stream).catch(() => undefined);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } finally {
    stream.destroy();
  }
}

/**
 * Returns an identifier for the exact output of a compression: if the identifiers are the same, the same data is
 * compressed to the same bytes. For zstd, it contains the version of the library, on which the result depends.
 */
export function formatOf(compression: Exclude<LayerCompression, 'none'>): string {
  if (compression === 'gzip') return `gzip-${DEFLATE_LEVEL}`;
  return `zstd-${ZSTD_LEVEL}-${process.versions['zstd'] ?? process.versions.node}`;
}

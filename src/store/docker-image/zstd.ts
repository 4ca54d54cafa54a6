import type { Duplex } from 'node:stream';
import { MlistError } from '../../errors/errors.ts';

/** Part of node:zlib since Node 22.15; the types of this project are those of Node 20. */
interface Zstd {
  readonly createZstdCompress?: (options: object) => Duplex;
  readonly createZstdDecompress?: () => Duplex;
  readonly constants: { readonly ZSTD_c_compressionLevel?: number };
}

/** Changing the level changes the digests of all layers that are compressed with zstd. */
export const ZSTD_LEVEL = 3;

/**
 * Streams that compress and decompress zstd.
 * @param subject - what needs them, such as `--compression zstd`
 * @throws MlistError `ERR_MLIST_USAGE` if this version of Node does not support zstd
 */
export function zstdStreams(subject: string): { readonly compress: () => Duplex; readonly decompress: () => Duplex } {
  // Loaded on first use, because commands check their options before they compress anything.
  const { createZstdCompress, createZstdDecompress, constants } = process.getBuiltinModule('node:zlib') as Zstd;
  const level = constants.ZSTD_c_compressionLevel;
  if (createZstdCompress === undefined || createZstdDecompress === undefined || level === undefined) {
    const message = `${subject} needs Node 22.15 or newer (this is Node ${process.versions.node})`;
    throw new MlistError('ERR_MLIST_USAGE', message);
  }
  return { compress: () => createZstdCompress({ params: { [level]: ZSTD_LEVEL } }), decompress: createZstdDecompress };
}

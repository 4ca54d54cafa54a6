import type { Duplex } from 'node:stream';
import { MlistError } from '../../errors/errors.ts';

/**
 * The zstd members of node:zlib in Node 22.15 and newer. This project compiles against the types of Node 20, which lack
 * them.
 */
interface Zstd {
  readonly createZstdCompress?: (options: object) => Duplex;
  readonly createZstdDecompress?: () => Duplex;
  readonly constants: { readonly ZSTD_c_compressionLevel?: number };
}

/** Changing the level changes the digests of all layers that are compressed with zstd. */
export const ZSTD_LEVEL = 3;

/**
 * Returns functions that create streams for zstd.
 * @param subject - the beginning of the error message, such as `zstd compression`
 * @throws MlistError `ERR_MLIST_USAGE` if this version of Node does not support zstd
 */
export function zstdStreams(subject: string): { readonly compress: () => Duplex; readonly decompress: () => Duplex } {
  // node:zlib is loaded on first use, because most commands compress nothing.
  const { createZstdCompress, createZstdDecompress, constants } = process.getBuiltinModule('node:zlib') as Zstd;
  const level = constants.ZSTD_c_compressionLevel;
  if (createZstdCompress === undefined || createZstdDecompress === undefined || level === undefined) {
    const message = `${subject} needs Node 22.15 or newer (this is Node ${process.versions.node})`;
    throw new MlistError('ERR_MLIST_USAGE', message);
  }
  return { compress: () => createZstdCompress({ params: { [level]: ZSTD_LEVEL } }), decompress: createZstdDecompress };
}

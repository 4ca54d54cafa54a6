import { crc32 } from 'node:zlib';
import { BLOCK_BYTES, DICTIONARY_BYTES, type Deflate } from './deflate.ts';

/** Number of blocks that are compressed concurrently: as many as libuv's thread pool has threads by default. */
const CONCURRENT_BLOCKS = 4;

/** The gzip header that Go's compress/gzip writes: without a name and time, and with an unknown operating system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/**
 * Compresses a stream to one gzip member (RFC 1952). The data is divided into blocks of 1 MiB, which are compressed
 * concurrently, each with the end of the previous block as its dictionary. The result depends only on the data. At most
 * five blocks are in memory.
 */
export async function* gzipBlocks(chunks: AsyncIterable<Uint8Array>, deflate: Deflate): AsyncGenerator<Uint8Array> {
  yield HEADER;
  const running: Promise<Uint8Array>[] = [];
  let dictionary: Uint8Array = Buffer.alloc(0);
  let checksum = 0;
  let length = 0;
  try {
    for await (const { bytes, isLast } of withLast(blocksOf(chunks))) {
      checksum = crc32(bytes, checksum);
      length += bytes.length;
      const compressed = deflate({ bytes, dictionary, isLast });
      compressed.catch(() => undefined);
      running.push(compressed);
      dictionary = bytes.subarray(-DICTIONARY_BYTES);
      const [first] = running;
      if (running.length < CONCURRENT_BLOCKS || first === undefined) continue;
      yield await first;
      void running.shift();
    }
    for (const compressed of running) yield await compressed;
  } finally {
    await Promise.allSettled(running);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  yield trailer;
}

/**
 * Divides a stream into blocks of 1 MiB, independent of the size of its chunks. The last block may be shorter, or
 * empty.
 */
export async function* blocksOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = Buffer.allocUnsafe(BLOCK_BYTES);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + BLOCK_BYTES - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < BLOCK_BYTES) continue;
      yield block;
      block = Buffer.allocUnsafe(BLOCK_BYTES);
      filled = 0;
    }
  }
  yield block.subarray(0, filled);
}

interface Block {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

async function* withLast(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  let previous: Uint8Array | undefined;
  for await (const bytes of blocks) {
    if (previous !== undefined) yield { bytes: previous, isLast: false };
    previous = bytes;
  }
  yield { bytes: previous ?? Buffer.alloc(0), isLast: true };
}

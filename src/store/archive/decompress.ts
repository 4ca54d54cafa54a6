import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { Spool } from '../../fs/spool.ts';
import { through } from '../docker-image/layer-compression.ts';
import { zstdStreams } from '../docker-image/zstd.ts';
import type { ContentOptions } from '../store.ts';
import { limitedTo } from '../verify.ts';
import { BLOCK_BYTES, invalidHeader, isZeroBlock, readHeader } from './tar/tar-header.ts';

/**
 * The compression of a whole archive, as in `docker save | gzip`. Compressed files and pipes cannot be read at random
 * positions, so their content is stored in the spool first. gzip is supported, and zstd where Node supports it. The
 * other formats are only detected for the error message.
 */
export type Compression = 'gzip' | 'zstd' | 'xz' | 'bzip2';

export interface OpenedFile {
  readonly handle: FileHandle;
  /** Closes the file, and removes it if it is temporary. */
  readonly release: () => Promise<void>;
}

const signatures: readonly (readonly [Compression, RegExp])[] = [
  ['gzip', /^\x1f\x8b/],
  ['zstd', /^\x28\xb5\x2f\xfd/],
  ['xz', /^\xfd7zXZ\0/],
  ['bzip2', /^BZh[1-9]1AY&/],
];

const SIGNATURE_BYTES = 8;

/** Detects the compression by the first bytes. Returns undefined if they match no known format. */
export function compressionIn(bytes: Uint8Array): Compression | undefined {
  const start = Buffer.from(bytes.subarray(0, SIGNATURE_BYTES)).toString('latin1');
  return signatures.find(([, signature]) => signature.test(start))?.[0];
}

export async function compressionOf(handle: FileHandle): Promise<Compression | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(SIGNATURE_BYTES), 0, SIGNATURE_BYTES, 0);
  return compressionIn(buffer.subarray(0, bytesRead));
}

export interface SpoolingOptions extends ContentOptions {
  /** Where decompressed content and the content of pipes are stored. Default: a new spool with the default limit. */
  readonly spool?: Spool | undefined;
}

/**
 * Maximum compression ratio. gzip allows about 1000 and real archives have about 10, so a ratio above this limit is
 * treated as an attempt to fill the disk.
 */
const MAX_RATIO = 200;
/** Archives that decompress to at most this size may have any ratio. */
const ALWAYS_ALLOWED_BYTES = 1024 * 1024 * 1024;
/**
 * Size of the chunks of zlib. With its default of 16 KiB, decompression takes more than twice as long, because each
 * chunk is passed between threads and written separately.
 */
const CHUNK_BYTES = 256 * 1024;

/**
 * Decompresses a file, and then releases it. If decompression fails, the file is not released.
 * @returns the decompressed temporary file
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the file is damaged, truncated or compressed twice, or if its
 * compression ratio is too high or its format is not supported; `ERR_MLIST_USAGE` if the format needs a newer version
 * of Node; `ERR_MLIST_FILE` if the spool is full
 */
export async function decompress(
  { handle, release }: OpenedFile,
  compression: Compression,
  options: SpoolingOptions,
): Promise<OpenedFile> {
  const stream = decompressor(compression);
  const maxBytes = Math.max(ALWAYS_ALLOWED_BYTES, (await handle.stat()).size * MAX_RATIO);
  const source = createReadStream('', { fd: handle, start: 0, autoClose: false });
  const exceeded = () => invalidHeader(`it decompresses to more than the limit of ${maxBytes} bytes`);
  const stored = await store(limitedTo(maxBytes, decompressed(source, stream), exceeded), options);
  await release();
  return stored;
}

/**
 * Stores the bytes of a pipe in the spool, and decompresses them if necessary. The compression ratio is not limited,
 * because the spool limits the size.
 * @throws MlistError the errors of `decompress`, and `ERR_MLIST_DOCUMENT_INVALID` if the content is empty or does not
 * begin like a tar archive
 */
export async function spoolInput(
  chunks: AsyncIterable<Uint8Array>,
  options: SpoolingOptions,
): Promise<OpenedFile & { readonly isCompressed: boolean }> {
  const { start, all } = await peek(chunks);
  if (start.length === 0) throw invalidHeader('it is empty');
  const compression = compressionIn(start);
  const content = compression === undefined ? all : decompressed(all, decompressor(compression));
  return { ...(await store(checkedStart(content), options)), isCompressed: compression !== undefined };
}

function decompressor(compression: Compression): Duplex {
  if (compression === 'gzip') return createGunzip({ chunkSize: CHUNK_BYTES });
  if (compression === 'zstd') return zstdStreams('it is compressed with zstd, which').decompress();
  const program = { xz: 'unxz', bzip2: 'bunzip2' }[compression];
  throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `it is compressed with ${compression}, which is not supported`, {
    hint: `Decompress the archive first, with "${program}".`,
  });
}

/** Decompresses a stream. Content that was compressed twice is refused. */
async function* decompressed(chunks: AsyncIterable<Uint8Array>, stream: Duplex): AsyncGenerator<Uint8Array> {
  try {
    let isFirst = true;
    for await (const chunk of through(chunks, stream)) {
      const again = isFirst ? compressionIn(chunk) : undefined;
      if (again !== undefined) throw invalidHeader(`it is compressed twice: its content is compressed with ${again}`);
      isFirst = false;
      yield chunk;
    }
  } catch (error) {
    throw decompressionError(error);
  }
}

async function store(
  content: AsyncIterable<Uint8Array>,
  { spool = new Spool(), signal }: SpoolingOptions,
): Promise<OpenedFile> {
  const file = await spool.create();
  try {
    await file.appendAll(content, signal);
    return { handle: file.handle, release: () => file.release() };
  } catch (error) {
    await file.release();
    signal?.throwIfAborted();
    throw error;
  }
}

/** Reads the first bytes of a stream without consuming them: `all` yields the whole stream. */
async function peek(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly start: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  let isOver = false;
  while (start.length < SIGNATURE_BYTES && !isOver) {
    const next = await iterator.next();
    isOver = next.done === true;
    if (next.done !== true) start = Buffer.concat([start, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    if (start.length > 0) yield start;
    if (!isOver) yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { start, all: all() };
}

/**
 * Passes on a stream, and throws if its first two blocks are not the start of a tar archive with files. The check does
 * not wait for the end, because the stream may be endless.
 */
async function* checkedStart(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let start: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (start !== undefined) {
      start = Buffer.concat([start, chunk.subarray(0, 2 * BLOCK_BYTES)]);
      if (start.length >= 2 * BLOCK_BYTES) {
        if (isZeroBlock(start.subarray(0, 2 * BLOCK_BYTES))) throw invalidHeader('it contains no files');
        if (!isZeroBlock(start.subarray(0, BLOCK_BYTES))) readHeader(start.subarray(0, BLOCK_BYTES));
        start = undefined;
      }
    }
    yield chunk;
  }
}

function decompressionError(error: unknown): unknown {
  const code = errorCode(error) ?? '';
  if (code === 'Z_BUF_ERROR') return invalidHeader('its compressed data is truncated');
  return code.startsWith('Z_') || code.startsWith('ZSTD_') ? invalidHeader('its compressed data is damaged') : error;
}

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errorCode } from '../../errors/errors.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import { invalidHeader } from './tar/tar-header.ts';

/**
 * Compression of a whole archive, as in `docker save | gzip`. Compressed files cannot be read at random positions, so a gzip
 * archive is decompressed once, to a temporary file that is unlinked while it is in use and that only this user may read.
 * Other compressions are detected, but not supported.
 */
export type Compression = 'gzip' | 'zstd' | 'xz' | 'bzip2';

/** An open file. */
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

/** Detects the compression by the first bytes; undefined if there is none, or an unknown one. */
export function compressionIn(bytes: Uint8Array): Compression | undefined {
  const start = Buffer.from(bytes.subarray(0, 8)).toString('latin1');
  return signatures.find(([, signature]) => signature.test(start))?.[0];
}

export async function compressionOf(handle: FileHandle): Promise<Compression | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
  return compressionIn(buffer.subarray(0, bytesRead));
}

export function decompressionHint(path: string, compression: Compression): string {
  const program = { gzip: 'gunzip', zstd: 'unzstd', xz: 'unxz', bzip2: 'bunzip2' }[compression];
  return `Decompress it first, such as with "${program} ${path}".`;
}

/**
 * Maximum compression ratio. gzip allows about 1000 and real archives have about 10, so a higher ratio is an attempt to fill
 * the disk.
 */
const MAX_RATIO = 200;
/** This size is allowed with any ratio. */
const ALWAYS_ALLOWED_BYTES = 1024 * 1024 * 1024;
/** The default of 16 KiB takes more than twice as long, because each chunk is passed between threads and written on its own. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Decompresses a gzip file and closes it.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it is damaged, truncated, or its compression ratio is too high
 */
export async function decompress({ handle, release }: OpenedFile, signal?: AbortSignal): Promise<OpenedFile> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-'));
  const file = join(folder, 'archive.tar');
  const maxBytes = Math.max(ALWAYS_ALLOWED_BYTES, (await handle.stat()).size * MAX_RATIO);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const source = createReadStream('', { fd: handle, start: 0, autoClose: false });
    const target = createWriteStream(file, { flags: 'wx', mode: 0o600 });
    await pipeline(source, createGunzip({ chunkSize: CHUNK_BYTES }), limitedTo(maxBytes), target, { signal });
    const decompressed = await open(file, 'r');
    await release();
    // Windows cannot remove an open file. There it is removed after it was closed.
    const isRemoved = await remove().then(
      () => true,
      () => false,
    );
    return { handle: decompressed, release: () => closeAndRemove(decompressed, isRemoved ? undefined : remove) };
  } catch (error) {
    await remove().catch(() => undefined);
    signal?.throwIfAborted();
    throw decompressionError(error, folder);
  }
}

function limitedTo(maxBytes: number): (chunks: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* (chunks) {
    let length = 0;
    for await (const chunk of chunks) {
      length += chunk.length;
      if (length > maxBytes) throw invalidHeader(`it decompresses to more than ${maxBytes} bytes`);
      yield chunk;
    }
  };
}

async function closeAndRemove(handle: FileHandle, remove: (() => Promise<void>) | undefined): Promise<void> {
  await handle.close().catch(() => undefined);
  await remove?.().catch(() => undefined);
}

function decompressionError(error: unknown, folder: string): unknown {
  const code = errorCode(error);
  if (code === 'Z_BUF_ERROR') return invalidHeader('its gzip data is truncated');
  if (code?.startsWith('Z_') === true) return invalidHeader('its gzip data is damaged');
  return code === 'ABORT_ERR' ? error : writeFailure(folder, error);
}

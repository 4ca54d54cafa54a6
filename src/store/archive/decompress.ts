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
 * Archives that are compressed as a whole, as `docker save | gzip` makes them. There is no reading at a place in the
 * midst of them, so a gzip archive is inflated once, to a file that only this user may read and that has no name any
 * more while it is in use. Other compressions are left to who made them.
 */
export type Compression = 'gzip' | 'zstd' | 'xz' | 'bzip2';

/** A file that is open, and how to let go of it. */
export interface OpenedFile {
  readonly handle: FileHandle;
  readonly release: () => Promise<void>;
}

const magics: readonly (readonly [Compression, RegExp])[] = [
  ['gzip', /^\x1f\x8b/],
  ['zstd', /^\x28\xb5\x2f\xfd/],
  ['xz', /^\xfd7zXZ\0/],
  ['bzip2', /^BZh[1-9]1AY&/],
];

/** How bytes are compressed, by how they begin; undefined where they are not, or in no known way. */
export function compressionIn(bytes: Uint8Array): Compression | undefined {
  const start = Buffer.from(bytes.subarray(0, 8)).toString('latin1');
  return magics.find(([, magic]) => magic.test(start))?.[0];
}

export async function compressionOf(handle: FileHandle): Promise<Compression | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
  return compressionIn(buffer.subarray(0, bytesRead));
}

export function decompressionHint(path: string, compression: Compression): string {
  const program = { gzip: 'gunzip', zstd: 'unzstd', xz: 'unxz', bzip2: 'bunzip2' }[compression];
  return `Decompress it first, such as with "${program} ${path}".`;
}

/** Gzip makes a thousand bytes of one at most. Real archives grow tenfold: beyond this somebody means to fill a disk. */
const MOST_GROWTH = 200;
const ALWAYS_ALLOWED = 1024 * 1024 * 1024;

/**
 * Inflates a gzip file and closes it.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where it is damaged, cut short, or grows beyond all measure
 */
export async function decompress({ handle, release }: OpenedFile, signal?: AbortSignal): Promise<OpenedFile> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-'));
  const file = join(folder, 'archive.tar');
  const most = Math.max(ALWAYS_ALLOWED, (await handle.stat()).size * MOST_GROWTH);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const source = createReadStream('', { fd: handle, start: 0, autoClose: false });
    const target = createWriteStream(file, { flags: 'wx', mode: 0o600 });
    await pipeline(source, createGunzip(), limited(most), target, { signal });
    const inflated = await open(file, 'r');
    await release();
    // Windows keeps the name of an open file: there it goes when it is let go of.
    const isGone = await remove().then(
      () => true,
      () => false,
    );
    return { handle: inflated, release: () => letGo(inflated, isGone ? undefined : remove) };
  } catch (error) {
    await remove().catch(() => undefined);
    signal?.throwIfAborted();
    throw inflateFault(error, folder);
  }
}

function limited(most: number): (chunks: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* (chunks) {
    let length = 0;
    for await (const chunk of chunks) {
      length += chunk.length;
      if (length > most) throw invalidHeader(`it grows to more than ${most} bytes when it is inflated`);
      yield chunk;
    }
  };
}

async function letGo(handle: FileHandle, remove: (() => Promise<void>) | undefined): Promise<void> {
  await handle.close().catch(() => undefined);
  await remove?.().catch(() => undefined);
}

function inflateFault(error: unknown, folder: string): unknown {
  const code = errorCode(error);
  if (code === 'Z_BUF_ERROR') return invalidHeader('its gzip data is cut short');
  if (code?.startsWith('Z_') === true) return invalidHeader('its gzip data is damaged');
  return code === 'ABORT_ERR' ? error : writeFailure(folder, error);
}

import {
  closeSync,
  constants,
  fstatSync,
  open as openDescriptor,
  openSync,
  readFileSync,
  readSync,
  type Stats,
} from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { errorCode, MlistError } from '../errors/errors.ts';
import { openFiles } from './open-files.ts';

export interface ReadAtMostOptions {
  /** Maximum number of bytes. One more byte is read, so that the caller can see that the file is too large. */
  readonly maxBytes: number;
  /**
   * Whether to refuse pipes and devices without waiting for their data. Set this for files that the user did not name.
   * Default false.
   */
  readonly onlyFile?: boolean | undefined;
  /** Cancels the wait for data from a pipe. `readAtMost` supports this only on Linux. */
  readonly signal?: AbortSignal | undefined;
}

const CHUNK = 64 * 1024;

/**
 * Reads a file up to a limit, because a device may be endless.
 * @throws Node's errors; the abort reason of `signal`; MlistError `ERR_MLIST_FILE` if `onlyFile` is set and the path is
 * not a regular file
 */
export async function readAtMost(path: string, options: ReadAtMostOptions): Promise<Buffer> {
  const { maxBytes, onlyFile = false, signal } = options;
  const canPoll = process.platform === 'linux' && !onlyFile;
  if (canPoll && (await stat(path)).isFIFO()) return readPipe(path, maxBytes, signal);
  return openFiles.run(async () => {
    const file = await open(path, onlyFile ? constants.O_RDONLY | nonBlocking : 'r').catch((thrown: unknown) => {
      // Opening a socket fails with ENXIO.
      throw onlyFile && errorCode(thrown) === 'ENXIO' ? notRegular(path) : thrown;
    });
    try {
      if (onlyFile && !(await file.stat()).isFile()) throw notRegular(path);
      return await readFrom(file, maxBytes);
    } finally {
      await file.close();
    }
  });
}

export interface ReadFile {
  /** The content, up to one byte more than the limit. */
  readonly bytes: Buffer;
  /** The time of the last write. */
  readonly modified: Date;
}

/**
 * Reads a regular file up to a limit. Meant for many small files that the user did not name. It is synchronous, because
 * an asynchronous read would pass each system call to another thread, which costs more CPU time than the call itself.
 * @param maxBytes - one byte more than this is read, so that the caller can see that the file is too large
 * @throws Node's errors; MlistError `ERR_MLIST_FILE` if the path is not a regular file
 */
export function readAtMostSync(path: string, maxBytes: number): ReadFile {
  return withRegular(path, (file, { size, mtime }) => {
    let buffer = Buffer.allocUnsafe(Math.min(size, maxBytes) + 1);
    for (let length = 0; ;) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      length += count;
      if (count === 0 || length > maxBytes) return { bytes: buffer.subarray(0, length), modified: mtime };
      // The buffer is full only if the file has grown, or if the system reports no size, as in /proc.
      if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(2 * length, maxBytes + 1));
    }
  });
}

/**
 * Reads a small regular file synchronously. Meant for files that the user did not name.
 * @throws Node's errors; MlistError `ERR_MLIST_FILE` if the path is not a regular file
 */
export function readRegularSync(path: string): string {
  return withRegular(path, (file) => readFileSync(file, 'utf8'));
}

function withRegular<T>(path: string, read: (file: number, info: Stats) => T): T {
  const file = openRegular(path);
  try {
    const info = fstatSync(file);
    if (!info.isFile()) throw notRegular(path);
    return read(file, info);
  } finally {
    closeSync(file);
  }
}

function openRegular(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | nonBlocking);
  } catch (thrown) {
    // Opening a socket fails with ENXIO.
    throw errorCode(thrown) === 'ENXIO' ? notRegular(path) : thrown;
  }
}

function notRegular(path: string): MlistError {
  return new MlistError('ERR_MLIST_FILE', `cannot read ${path}: it is not a regular file`, { path });
}

/**
 * Without this flag, opening a pipe blocks until a process opens it for writing. The flag does not exist on Windows.
 */
const nonBlocking = (constants as { readonly O_NONBLOCK?: number }).O_NONBLOCK ?? 0;

async function readFrom(file: FileHandle, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let remaining = maxBytes + 1; remaining > 0;) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, remaining));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) break;
    chunks.push(buffer.subarray(0, bytesRead));
    remaining -= bytesRead;
  }
  return Buffer.concat(chunks);
}

/**
 * Reads a pipe without blocking, because a blocking read cannot be cancelled and would keep the process from exiting.
 * Used on Linux only: on other systems, a pipe without a writer cannot be distinguished from a pipe at its end.
 */
async function readPipe(path: string, maxBytes: number, signal: AbortSignal | undefined): Promise<Buffer> {
  const { Socket } = await import('node:net');
  const descriptor = await new Promise<number>((resolve, reject) => {
    openDescriptor(path, constants.O_RDONLY | nonBlocking, (error, fd) =>
      error === null ? resolve(fd) : reject(error),
    );
  });
  return collectAtMost(new Socket({ fd: descriptor, readable: true, writable: false }), { maxBytes, signal });
}

/**
 * Reads a stream into memory, up to one byte more than `maxBytes`.
 * @throws the signal's abort reason if it is aborted, otherwise the error of the stream
 */
export async function collectAtMost(
  stream: Readable,
  { maxBytes, signal }: Pick<ReadAtMostOptions, 'maxBytes' | 'signal'>,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let remaining = maxBytes + 1;
  for await (const chunk of streamUntilAborted(stream, signal)) {
    chunks.push(chunk.subarray(0, remaining));
    remaining -= chunk.length;
    if (remaining <= 0) break;
  }
  return Buffer.concat(chunks);
}

/**
 * Yields the chunks of a stream. Destroys the stream if the signal is aborted.
 * @throws the signal's abort reason if it is aborted, otherwise the error of the stream
 */
export async function* streamUntilAborted(stream: Readable, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const { addAbortSignal } = await import('node:stream');
  try {
    yield* (signal === undefined ? stream : addAbortSignal(signal, stream)) as AsyncIterable<Buffer>;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

import { closeSync, constants, fstatSync, open as openDescriptor, openSync, readFileSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { errorCode, MlistError } from '../errors.ts';
import { openFiles } from './limiter.ts';

export interface ReadAtMostOptions {
  /** No more than one byte over this is read, so that who checks the length sees that it is too large. */
  readonly maxBytes: number;
  /** Refuse a pipe or a device, without waiting for it: where nobody has named the file. Default false. */
  readonly onlyFile?: boolean | undefined;
  /** Ends the wait for what a pipe brings, on Linux; a file is soon read. */
  readonly signal?: AbortSignal | undefined;
}

const CHUNK = 64 * 1024;

/**
 * Reads a file whole, as far as it may go: a device may never end.
 * @throws what Node throws; MlistError `ERR_MLIST_FILE` for what is no regular file where only such is wanted
 */
export async function readAtMost(path: string, options: ReadAtMostOptions): Promise<Buffer> {
  const { maxBytes, onlyFile = false, signal } = options;
  const canPoll = process.platform === 'linux' && !onlyFile;
  if (canPoll && (await stat(path)).isFIFO()) return readPipe(path, maxBytes, signal);
  return openFiles.run(async () => {
    const file = await open(path, onlyFile ? constants.O_RDONLY | nonBlocking : 'r').catch((thrown: unknown) => {
      // A socket cannot be opened.
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

/**
 * Reads a small file whole that nobody has named, where nothing can wait for it.
 * @throws what Node throws; MlistError `ERR_MLIST_FILE` for what is no regular file
 */
export function readRegularSync(path: string): string {
  const file = openSync(path, constants.O_RDONLY | nonBlocking);
  try {
    if (!fstatSync(file).isFile()) throw notRegular(path);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function notRegular(path: string): MlistError {
  return new MlistError('ERR_MLIST_FILE', `cannot read ${path}: it is no regular file`, { path });
}

/** To open a pipe that nobody writes to waits for ever, and no signal ends that; Windows has no such flag. */
const nonBlocking = (constants as { readonly O_NONBLOCK?: number }).O_NONBLOCK ?? 0;

async function readFrom(file: FileHandle, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let left = maxBytes + 1; left > 0;) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) break;
    chunks.push(buffer.subarray(0, bytesRead));
    left -= bytesRead;
  }
  return Buffer.concat(chunks);
}

/**
 * Reads a pipe as the system tells that something has come: a read that waits cannot be taken back, and would hold up the
 * end of the process. Elsewhere than on Linux a pipe that nobody writes to yet looks like one that is at its end.
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
 * What a stream brings, up to one byte more than `maxBytes`.
 * @throws the abort's reason; what the stream fails with
 */
export async function collectAtMost(
  stream: Readable,
  { maxBytes, signal }: Pick<ReadAtMostOptions, 'maxBytes' | 'signal'>,
): Promise<Buffer> {
  const { addAbortSignal } = await import('node:stream');
  const chunks: Buffer[] = [];
  let left = maxBytes + 1;
  try {
    for await (const chunk of (signal === undefined
      ? stream
      : addAbortSignal(signal, stream)) as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) break;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return Buffer.concat(chunks);
}

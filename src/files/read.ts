import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { MlistError } from '../errors.ts';

export interface ReadAtMostOptions {
  /** No more than one byte over this is read, so that who checks the length sees that it is too large. */
  readonly maxBytes: number;
  /** Refuse a pipe or a device, without waiting for it: where nobody has named the file. Default false. */
  readonly onlyFile?: boolean | undefined;
}

const CHUNK = 64 * 1024;

/**
 * Reads a file whole, as far as it may go: a device may never end.
 * @throws what Node throws; MlistError `ERR_MLIST_FILE` for what is no regular file where only such is wanted
 */
export async function readAtMost(path: string, { maxBytes, onlyFile = false }: ReadAtMostOptions): Promise<Buffer> {
  const file = await open(path, onlyFile ? constants.O_RDONLY | nonBlocking : 'r');
  try {
    if (onlyFile && !(await file.stat()).isFile()) {
      throw new MlistError('ERR_MLIST_FILE', `cannot read ${path}: it is no regular file`, { path });
    }
    return await readFrom(file, maxBytes);
  } finally {
    await file.close();
  }
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

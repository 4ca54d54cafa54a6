import { open, unlink, type FileHandle } from 'node:fs/promises';
import { renameOver, syncFile, syncFolder, temporaryName, type HeldLock } from '../../../fs/atomic.ts';
import { writeFailure } from '../../../fs/file-errors.ts';
import { dirname } from 'node:path';
import { BLOCK_BYTES } from './tar-header.ts';

/** The ustar size field holds 11 octal digits. */
const MOST_USTAR = 0o77777777777;
const MOST_NAME = 100;

/**
 * Writes a tar archive from front to back (POSIX.1-2017 pax, "ustar Interchange Format"). The same files in the same
 * order give the same bytes: no time, no owner, one mode. The archive takes its place when it is finished, whole.
 */
export class TarWriter {
  readonly #path: string;
  readonly #writing: string;
  readonly #file: FileHandle;
  #at = 0;

  private constructor(path: string, writing: string, file: FileHandle) {
    this.#path = path;
    this.#writing = writing;
    this.#file = file;
  }

  /** Begins a temporary file beside where the archive is to be. */
  static async create(path: string): Promise<TarWriter> {
    const writing = temporaryName(path);
    return new TarWriter(path, writing, await open(writing, 'wx', 0o644).catch((error: unknown) => fail(path, error)));
  }

  /** Adds a file as its bytes come. Where they fail or are too few or too many, nothing of it stays. */
  async add(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const start = this.#at;
    try {
      await this.#write(headersOf(name, size));
      for await (const chunk of chunks) await this.#write(chunk);
      await this.#write(padding(size));
    } catch (error) {
      this.#at = start;
      throw error;
    }
  }

  addBytes(name: string, bytes: Uint8Array): Promise<void> {
    return this.add(name, bytes.length, once(bytes));
  }

  /** Ends the archive and puts it in its place, which the lock protects. */
  async finish(lock?: HeldLock): Promise<void> {
    try {
      await this.#write(Buffer.alloc(2 * BLOCK_BYTES));
      await this.#file.truncate(this.#at);
      await syncFile(this.#file);
      await this.#file.close();
      await renameOver(this.#writing, this.#path, lock);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await this.discard();
      throw writeFailure(this.#path, error);
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#writing).catch(() => undefined);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file
        .write(bytes, done, bytes.length - done, this.#at)
        .catch((error: unknown) => fail(this.#path, error));
      done += bytesWritten;
      this.#at += bytesWritten;
    }
  }
}

/** The header of a file; in front of it a pax header where name or size do not fit. */
function headersOf(name: string, size: number): Buffer {
  const isLong = Buffer.byteLength(name) > MOST_NAME;
  const records = [
    ...(isLong ? [paxRecord('path', name)] : []),
    ...(size > MOST_USTAR ? [paxRecord('size', String(size))] : []),
  ];
  const own = headerOf(isLong ? name.slice(0, MOST_NAME) : name, size > MOST_USTAR ? 0 : size, '0');
  if (records.length === 0) return own;
  const content = Buffer.from(records.join(''));
  return Buffer.concat([headerOf('pax', content.length, 'x'), content, padding(content.length), own]);
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const guess = bytes + String(bytes).length;
  return `${bytes + String(guess).length}${rest}`;
}

function headerOf(name: string, size: number, type: '0' | 'x'): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0, MOST_NAME, 'utf8');
  header.write('0000644\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write(`        ${type}`, 148, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

function fail(path: string, error: unknown): never {
  throw writeFailure(path, error);
}

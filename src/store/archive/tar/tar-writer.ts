import { open, unlink, type FileHandle } from 'node:fs/promises';
import { renameOver, syncFile, syncFolder, temporaryName, type HeldLock } from '../../../fs/atomic.ts';
import { writeFailure } from '../../../fs/file-errors.ts';
import { dirname } from 'node:path';
import { BLOCK_BYTES } from './tar-header.ts';

/** The ustar size field has 11 octal digits. */
const MAX_USTAR_SIZE = 0o77777777777;
const MAX_NAME_BYTES = 100;

/**
 * Writes a tar archive sequentially (POSIX.1-2017 pax, "ustar Interchange Format"). The output is reproducible: entries have
 * no time, no owner and a fixed mode. A temporary file is moved to the path when the archive is complete.
 */
export class TarWriter {
  readonly #path: string;
  readonly #temporaryPath: string;
  readonly #file: FileHandle;
  #at = 0;

  private constructor(path: string, temporaryPath: string, file: FileHandle) {
    this.#path = path;
    this.#temporaryPath = temporaryPath;
    this.#file = file;
  }

  /** Creates the temporary file, in the folder of the archive. */
  static async create(path: string): Promise<TarWriter> {
    const temporaryPath = temporaryName(path);
    return new TarWriter(
      path,
      temporaryPath,
      await open(temporaryPath, 'wx', 0o644).catch((error: unknown) => fail(path, error)),
    );
  }

  /** Appends a file from a stream, which must have exactly `size` bytes. If the stream fails, the file is not added. */
  async add(name: string, size: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
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
    return this.add(name, bytes.length, [bytes]);
  }

  /**
   * Completes the archive and moves it to its path.
   * @param lock - the lock that protects the path
   */
  async finish(lock?: HeldLock): Promise<void> {
    try {
      await this.#write(Buffer.alloc(2 * BLOCK_BYTES));
      await this.#file.truncate(this.#at);
      await syncFile(this.#file);
      await this.#file.close();
      await renameOver(this.#temporaryPath, this.#path, lock);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await this.discard();
      throw writeFailure(this.#path, error);
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#temporaryPath).catch(() => undefined);
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

/** The header of a file, after a pax header if the name or the size does not fit into it. */
function headersOf(name: string, size: number): Buffer {
  const isLong = Buffer.byteLength(name) > MAX_NAME_BYTES;
  const records = [
    ...(isLong ? [paxRecord('path', name)] : []),
    ...(size > MAX_USTAR_SIZE ? [paxRecord('size', String(size))] : []),
  ];
  const header = headerOf(isLong ? name.slice(0, MAX_NAME_BYTES) : name, size > MAX_USTAR_SIZE ? 0 : size, '0');
  if (records.length === 0) return header;
  const content = Buffer.from(records.join(''));
  return Buffer.concat([headerOf('pax', content.length, 'x'), content, padding(content.length), header]);
}

/** `LENGTH KEY=VALUE\n`; the length includes its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const guess = bytes + String(bytes).length;
  return `${bytes + String(guess).length}${rest}`;
}

function headerOf(name: string, size: number, type: '0' | 'x'): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0, MAX_NAME_BYTES, 'utf8');
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

function fail(path: string, error: unknown): never {
  throw writeFailure(path, error);
}

import { asMlistError, type MlistError } from '../../../errors/errors.ts';
import { BLOCK_BYTES } from './tar-header.ts';

/** The largest size that fits in the 11 octal digits of the ustar size field. */
const MAX_USTAR_SIZE = 0o77777777777;
const MAX_NAME_BYTES = 100;

/** The output of an archive, which is written sequentially. */
export interface TarSink {
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Truncates the output to this length, to remove a file that was only partly written. Undefined if the output cannot
   * be truncated, as with a pipe.
   */
  rewind?(length: number): void;
  /** Completes the output. Called after the last write. */
  finish(): Promise<void>;
  /** Discards the output. Called if the archive is not completed. */
  discard(): Promise<void>;
}

/**
 * Writes a tar archive sequentially (POSIX.1-2017 pax, "ustar Interchange Format"). The output is reproducible: entries
 * have no time, no owner and a fixed mode.
 */
export class TarWriter {
  readonly #sink: TarSink;
  #length = 0;
  /** Rejected if a partly written file could not be removed from the output; all later calls then fail. */
  #state: Promise<void> = Promise.resolve();

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /**
   * Appends a file from a stream, which must have exactly `size` bytes. If the stream fails, the partly written file is
   * removed from the output; if the output cannot be truncated, all later calls fail.
   */
  async add(name: string, size: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    await this.#state;
    const start = this.#length;
    let isStarted = false;
    try {
      // The headers are written only after the first chunk was read, so that nothing is written if the stream cannot be
      // opened.
      for await (const chunk of chunks) {
        if (!isStarted) await this.#write(headersOf(name, size));
        isStarted = true;
        await this.#write(chunk);
      }
      if (!isStarted) await this.#write(headersOf(name, size));
      await this.#write(padding(size));
    } catch (error) {
      if (this.#length > start) this.#drop(start, asMlistError(error));
      throw error;
    }
  }

  addBytes(name: string, bytes: Uint8Array): Promise<void> {
    return this.add(name, bytes.length, [bytes]);
  }

  /** Writes the blocks of zeros that end an archive, and completes the output. */
  async finish(): Promise<void> {
    await this.#state;
    await this.#write(Buffer.alloc(2 * BLOCK_BYTES));
    await this.#sink.finish();
  }

  discard(): Promise<void> {
    return this.#sink.discard();
  }

  #drop(start: number, error: MlistError): void {
    if (this.#sink.rewind === undefined) {
      this.#state = Promise.reject(error);
      this.#state.catch(() => undefined);
    } else {
      this.#sink.rewind(start);
      this.#length = start;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#length += bytes.length;
    await this.#sink.write(bytes);
  }
}

/** Returns the header of a file. A pax header precedes it if the name or the size is too long for its field. */
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

/** Returns a record of the form `LENGTH KEY=VALUE\n`. The length includes its own digits. */
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

import { mismatch } from './verify-response.ts';

/**
 * The bytes of a blob, for an upload in one or more slices. If each slice begins where the previous one ended, the source
 * is read once. Otherwise it is opened again and read up to the start of the slice. It is also opened again if the previous
 * slice was abandoned while it waited for bytes, because the next slice would miss them.
 */
export class UploadSource {
  readonly #subject: string;
  readonly #open: () => AsyncIterable<Uint8Array>;
  #opened: Opened | undefined;
  #failure: { readonly thrown: unknown } | undefined;

  constructor(subject: string, open: () => AsyncIterable<Uint8Array>) {
    this.#subject = subject;
    this.#open = open;
  }

  /** The error of the source itself. Another attempt at the upload would not change it. */
  get failure(): { readonly thrown: unknown } | undefined {
    return this.#failure;
  }

  /** Number of bytes that were read since the source was last opened. */
  get position(): number {
    return this.#opened?.position ?? 0;
  }

  /** Opens the source and reads its first bytes while the upload is being opened. The first slice throws its errors. */
  begin(): void {
    this.#opened = new Opened(this.#open());
    this.#opened.readAhead();
  }

  /** The bytes from `start` up to, not including, `end`. */
  async *slice(start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      const opened = await this.#openedUpTo(start);
      yield* opened.upTo(start, end);
      if (opened.position < end) throw mismatch(this.#subject, `ends after ${opened.position} bytes at its source`);
    } catch (thrown) {
      this.#failure ??= { thrown };
      throw thrown;
    }
  }

  async #openedUpTo(start: number): Promise<Opened> {
    if (this.#opened !== undefined && (this.#opened.isBusy || this.#opened.position > start)) await this.close();
    return (this.#opened ??= new Opened(this.#open()));
  }

  /** Closes the source. The next slice opens it again. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.close();
  }
}

/** The source, opened once and read from its start to its end. */
class Opened {
  /** The offset of the next byte. */
  position = 0;
  /** Whether a slice is reading. */
  isBusy = false;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #ahead: Promise<Uint8Array | undefined> | undefined;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  readAhead(): void {
    this.#ahead = this.#read();
    this.#ahead.catch(() => undefined);
  }

  /** The bytes from `start` up to, not including, `end`, or fewer if the source ends. */
  async *upTo(start: number, end: number): AsyncGenerator<Uint8Array> {
    this.isBusy = true;
    try {
      for (let chunk = await this.#next(start); chunk !== undefined; chunk = await this.#next(start)) {
        const skipped = Math.max(0, start - this.position);
        const isWhole = skipped === 0 && chunk.length <= end - this.position;
        const slice = isWhole ? chunk : chunk.subarray(skipped, end - this.position);
        this.#rest = chunk.subarray(skipped + slice.length);
        this.position += skipped + slice.length;
        yield slice;
        if (this.position >= end) return;
      }
    } finally {
      this.isBusy = false;
    }
  }

  /** The next chunk with bytes at or after `start`; undefined at the end. */
  async #next(start: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#rest.length > 0 ? this.#rest : await (this.#takeAhead() ?? this.#read());
      if (chunk === undefined || this.position + chunk.length > start) return chunk;
      this.position += chunk.length;
      this.#rest = new Uint8Array();
    }
  }

  #takeAhead(): Promise<Uint8Array | undefined> | undefined {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return ahead;
  }

  async #read(): Promise<Uint8Array | undefined> {
    const next = await this.#chunks.next();
    return next.done === true ? undefined : next.value;
  }

  /** Closes the reading. Does not wait for a chunk that is still being read. */
  async close(): Promise<void> {
    const closed = this.#chunks.return?.();
    if (this.isBusy || this.#ahead !== undefined) closed?.catch(() => undefined);
    else await closed;
  }
}

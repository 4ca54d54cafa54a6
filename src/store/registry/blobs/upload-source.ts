import type { MlistError } from '../../../errors/errors.ts';
import { mismatch } from './verify-response.ts';

/**
 * Supplies the bytes of a blob to an upload, in one or more slices. If each slice begins where the previous one ended,
 * the source is read once. For a slice that begins earlier, the source is opened again and read up to the start of the
 * slice. It is also opened again if the previous slice was abandoned while it waited for bytes, because those bytes
 * would be missing from the next slice.
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

  /** The first error from reading the source; undefined before an error. After an error, a retry would not help. */
  get failure(): { readonly thrown: unknown } | undefined {
    return this.#failure;
  }

  /** Number of bytes that were read since the source was last opened. */
  get position(): number {
    return this.#opened?.position ?? 0;
  }

  /**
   * Opens the source and starts reading it, while the registry opens the upload. An error is thrown by the first slice.
   */
  begin(): void {
    this.#opened = new Opened(this.#open());
    this.#opened.readAhead();
  }

  /**
   * Yields the bytes from `start` to `end` (exclusive).
   * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the source ends before `end`
   */
  async *slice(start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      const opened = await this.#openedUpTo(start);
      opened.isBusy = true;
      try {
        for (;;) {
          const chunk = await opened.read(start, end);
          if (chunk === undefined) break;
          yield chunk;
        }
      } finally {
        opened.isBusy = false;
      }
      if (opened.position < end) throw tooShort(this.#subject, opened.position);
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

function tooShort(subject: string, length: number): MlistError {
  const hint = 'Check the source: it is damaged, or was changed during the upload.';
  return mismatch(subject, `cannot be uploaded: its source ended after ${length} bytes`, hint);
}

/** An opened source, which can be read once, from its start to its end. */
class Opened {
  /** The offset of the next byte. */
  position = 0;
  /** Whether a slice is reading. */
  isBusy = false;
  readonly #chunks: AsyncIterator<Uint8Array, unknown>;
  #ahead: Promise<IteratorResult<Uint8Array, unknown>> | undefined;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  readAhead(): void {
    this.#ahead = this.#chunks.next();
    this.#ahead.catch(() => undefined);
  }

  /**
   * Returns the next bytes between `start` and `end` (exclusive); undefined after `end`, or after the last byte of the
   * source.
   */
  async read(start: number, end: number): Promise<Uint8Array | undefined> {
    while (this.position < end) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#nextChunk();
      if (chunk === undefined) return undefined;
      const from = Math.min(chunk.length, Math.max(0, start - this.position));
      const to = Math.min(chunk.length, end - this.position);
      this.position += to;
      this.#rest = chunk.subarray(to);
      if (from < to) return from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to);
    }
    return undefined;
  }

  async #nextChunk(): Promise<Uint8Array | undefined> {
    const reading = this.#ahead ?? this.#chunks.next();
    this.#ahead = undefined;
    const next = await reading;
    return next.done === true ? undefined : next.value;
  }

  /** Closes the source. Does not wait for a chunk that is still being read. */
  async close(): Promise<void> {
    const closed = this.#chunks.return?.();
    if (this.isBusy || this.#ahead !== undefined) closed?.catch(() => undefined);
    else await closed;
  }
}

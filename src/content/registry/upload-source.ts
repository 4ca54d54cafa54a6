import { mismatch } from './verify-response.ts';

/**
 * The bytes of a blob that is being uploaded, in as many slices as the upload takes. They are read once, in order, as
 * long as each slice begins where the last one ended; otherwise the source is opened again and read up to there. An answer
 * that comes early leaves a slice behind that still waits for its bytes: what it gets is not the next slice's.
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

  /** What the source itself has failed with: nothing that the registry did, and nothing that another try mends. */
  get failure(): { readonly thrown: unknown } | undefined {
    return this.#failure;
  }

  /** How many bytes have been taken of it since it was opened last. */
  get position(): number {
    return this.#opened?.position ?? 0;
  }

  /** Opens the source and reads its first bytes while the target is still being asked. What fails is told with the slice. */
  begin(): void {
    this.#opened = new Opened(this.#open());
    this.#opened.readAhead();
  }

  /** The bytes from `start` up to, not including, `end`. */
  async *slice(start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      const opened = await this.#openedUpTo(start);
      yield* opened.upTo(start, end);
      if (opened.position < end)
        throw mismatch(this.#subject, `ends after ${opened.position} bytes where it comes from`);
    } catch (thrown) {
      this.#failure ??= { thrown };
      throw thrown;
    }
  }

  async #openedUpTo(start: number): Promise<Opened> {
    if (this.#opened !== undefined && (this.#opened.isBusy || this.#opened.position > start)) await this.close();
    return (this.#opened ??= new Opened(this.#open()));
  }

  /** Gives the source up; another slice opens it again. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.close();
  }
}

/** The source as it was opened once. */
class Opened {
  /** Of the next byte that comes out. */
  position = 0;
  /** A slice takes bytes of it. */
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

  /** What there is of these bytes. */
  async *upTo(start: number, end: number): AsyncGenerator<Uint8Array> {
    this.isBusy = true;
    try {
      for (let chunk = await this.#next(start); chunk !== undefined; chunk = await this.#next(start)) {
        const skipped = Math.max(0, start - this.position);
        const isWhole = skipped === 0 && chunk.length <= end - this.position;
        const taken = isWhole ? chunk : chunk.subarray(skipped, end - this.position);
        this.#rest = chunk.subarray(skipped + taken.length);
        this.position += skipped + taken.length;
        yield taken;
        if (this.position >= end) return;
      }
    } finally {
      this.isBusy = false;
    }
  }

  /** The next bytes of which some lie at or behind `start`; undefined at the end. */
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

  /** What was asked for and is not wanted any more is not waited for. */
  async close(): Promise<void> {
    const closed = this.#chunks.return?.();
    if (this.isBusy || this.#ahead !== undefined) closed?.catch(() => undefined);
    else await closed;
  }
}

import { mismatch } from './verify.ts';

/**
 * The bytes of a blob that is being uploaded, in as many slices as the upload takes. They are read once, in order, as
 * long as each slice begins where the last one ended; otherwise the source is opened again and read up to there.
 */
export class UploadSource {
  readonly #subject: string;
  readonly #open: () => AsyncIterable<Uint8Array>;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  /** Of the next byte that comes out. */
  #position = 0;
  #rest: Uint8Array = new Uint8Array();
  #failure: { readonly thrown: unknown } | undefined;

  constructor(subject: string, open: () => AsyncIterable<Uint8Array>) {
    this.#subject = subject;
    this.#open = open;
  }

  /** What the source itself has failed with: nothing that the registry did, and nothing that another try mends. */
  get failure(): { readonly thrown: unknown } | undefined {
    return this.#failure;
  }

  /** The bytes from `start` up to, not including, `end`. */
  async *slice(start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      if (start < this.#position) await this.close();
      for (let chunk = await this.#next(start); chunk !== undefined; chunk = await this.#next(start)) {
        const skipped = Math.max(0, start - this.#position);
        const isWhole = skipped === 0 && chunk.length <= end - this.#position;
        const taken = isWhole ? chunk : chunk.subarray(skipped, end - this.#position);
        this.#rest = chunk.subarray(skipped + taken.length);
        this.#position += skipped + taken.length;
        yield taken;
        if (this.#position >= end) return;
      }
      throw mismatch(this.#subject, `ends after ${this.#position} bytes where it comes from`);
    } catch (thrown) {
      this.#failure ??= { thrown };
      throw thrown;
    }
  }

  /** The next bytes of which some lie at or behind `start`; undefined at the end. */
  async #next(start: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#read();
      if (chunk === undefined || this.#position + chunk.length > start) return chunk;
      this.#position += chunk.length;
      this.#rest = new Uint8Array();
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    this.#chunks ??= this.#open()[Symbol.asyncIterator]();
    const next = await this.#chunks.next();
    return next.done === true ? undefined : next.value;
  }

  /** Gives the source up; another slice opens it again. */
  async close(): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = undefined;
    this.#position = 0;
    this.#rest = new Uint8Array();
    await chunks?.return?.();
  }
}

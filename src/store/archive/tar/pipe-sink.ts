import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Compress } from '../../docker-image/layer-compression.ts';
import type { TarSink } from './tar-writer.ts';

/** Writes bytes to a pipe. The promise resolves when the caller may reuse the buffer. */
export type WritePipe = (bytes: Uint8Array) => Promise<void>;

/**
 * Creates the output for an archive in a pipe. A discarded archive lacks its last files, such as index.json, and the
 * blocks of zeros at its end, so readers refuse it.
 */
export function pipeSink(write: WritePipe, compress?: Compress): TarSink {
  if (compress !== undefined) return new CompressingSink(write, compress);
  return { write, finish: () => Promise.resolve(), discard: () => Promise.resolve() };
}

class CompressingSink implements TarSink {
  readonly #input = new PassThrough();
  /** Resolves when all bytes have been written. Rejects if they cannot be compressed or written. */
  readonly #done: Promise<void>;

  constructor(write: WritePipe, compress: Compress) {
    this.#done = (async () => {
      for await (const chunk of compress(this.#input)) await write(chunk);
    })();
    this.#done.catch(() => this.#input.destroy());
  }

  /** Copies the bytes, because they are compressed after this promise has resolved. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#input.destroyed) return this.#done;
    if (!this.#input.write(Uint8Array.from(bytes))) await Promise.race([once(this.#input, 'drain'), this.#done]);
  }

  async finish(): Promise<void> {
    this.#input.end();
    await this.#done;
  }

  async discard(): Promise<void> {
    this.#input.destroy();
    await this.#done.catch(() => undefined);
  }
}

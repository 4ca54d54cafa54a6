import type { Digest } from '../../oci/digest.ts';
import type { Repository, Upload } from '../storage.ts';

/** A blob that is being copied from an upstream to the cache. Any number of clients can read it while it arrives. */
export class BlobDownload {
  readonly size: number;
  readonly #digest: Digest;
  readonly #finished: Promise<Repository>;
  #upload: Upload | undefined;
  #isFinished = false;
  #wake: () => void = () => undefined;
  #change = this.#nextChange();

  /**
   * @param chunks - the content of the blob. The last chunk must be yielded only after the digest was verified
   * @param open - finds or creates the local repository
   */
  constructor(digest: Digest, size: number, chunks: AsyncIterable<Uint8Array>, open: () => Promise<Repository>) {
    this.#digest = digest;
    this.size = size;
    this.#finished = this.#run(chunks, open).finally(() => {
      this.#isFinished = true;
      this.#wake();
    });
    this.#finished.catch(() => undefined);
  }

  /** Resolves to the local repository when the blob is stored there. */
  get finished(): Promise<Repository> {
    return this.#finished;
  }

  /** Yields the bytes as they arrive. Throws before the last chunk if the digest is wrong or the upstream fails. */
  async *read(): AsyncGenerator<Uint8Array> {
    let offset = 0;
    while (!this.#isFinished) {
      const change = this.#change;
      if (this.#upload === undefined || this.#upload.size <= offset) {
        await change;
        continue;
      }
      try {
        for await (const chunk of this.#upload.read(offset)) {
          offset += chunk.length;
          yield chunk;
        }
      } catch {
        // The upload can no longer be read: either the blob was stored and is read below, or the download failed and
        // `#finished` rejects.
        await this.#finished;
      }
    }
    const repository = await this.#finished;
    if (offset < this.size) yield* repository.readBlobPart(this.#digest, offset, this.size);
  }

  async #run(chunks: AsyncIterable<Uint8Array>, open: () => Promise<Repository>): Promise<Repository> {
    const reading = chunks[Symbol.asyncIterator]();
    // The repository is created after the first chunk, so that none is created for a blob that the upstream does not
    // have.
    const first = await reading.next();
    const repository = await open();
    const upload = (this.#upload = await repository.stageBlob());
    try {
      await upload.append(this.#announced(first, reading));
      await upload.commit(this.#digest);
    } catch (error) {
      await upload.discard();
      throw error;
    } finally {
      await reading.return?.();
    }
    return repository;
  }

  /**
   * Yields the chunks, and wakes the readers after each one. When the next chunk is requested, the previous one has
   * been stored.
   */
  async *#announced(first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
    for (let next = first; next.done !== true; next = await rest.next()) {
      yield next.value;
      this.#wake();
    }
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#change = this.#nextChange();
        resolve();
      };
    });
  }
}

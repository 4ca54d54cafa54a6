import type { Digest } from '../../oci/digest.ts';
import type { Repository, Upload } from '../storage.ts';

/** A blob that is being copied from an upstream into the cache. Any number of clients read it while it arrives. */
export class BlobDownload {
  readonly size: number;
  readonly #digest: Digest;
  readonly #finished: Promise<Repository>;
  #upload: Upload | undefined;
  #isFinished = false;
  #wake: () => void = () => undefined;
  #change = this.#nextChange();

  /**
   * @param chunks - verified bytes, of which the last chunk comes only if all of them are right
   * @param open - the local repository, which is created if it does not exist
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

  /** Resolves when the blob is stored. */
  get finished(): Promise<Repository> {
    return this.#finished;
  }

  /** The bytes as they arrive. Fails before the last chunk if the blob has another digest, or the upstream fails. */
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
        // The file was moved to its place, or the download has failed. The result is awaited below.
        await this.#finished;
      }
    }
    const repository = await this.#finished;
    if (offset < this.size) yield* repository.readBlobPart(this.#digest, offset, this.size);
  }

  async #run(chunks: AsyncIterable<Uint8Array>, open: () => Promise<Repository>): Promise<Repository> {
    const reading = chunks[Symbol.asyncIterator]();
    // Nothing is created for a blob that the upstream does not have.
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

  /** Wakes readers after each chunk: when the next one is requested, the previous one is stored. */
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

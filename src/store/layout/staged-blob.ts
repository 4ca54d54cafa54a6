import { createHash } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import { syncFile } from '../../fs/atomic.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import { digestAlgorithm, Digester, isVerifiable, type Digest } from '../../oci/digest.ts';

const CHUNK = 256 * 1024;

export interface AppendOptions {
  readonly signal?: AbortSignal | undefined;
  /** More bytes than this in all are refused. Default: no limit. */
  readonly limit?: number | undefined;
}

/** Moves a file to where the blob of a digest belongs. */
export type MoveToBlob = (file: string, digest: Digest) => Promise<void>;

/**
 * A blob that is still arriving: a temporary file that becomes a blob once its bytes proved to be those of a digest.
 * A reader never sees a part of it.
 */
export class StagedBlob {
  readonly #file: string;
  readonly #place: MoveToBlob;
  readonly #digester = new Digester();
  #size = 0;

  private constructor(file: string, place: MoveToBlob) {
    this.#file = file;
    this.#place = place;
  }

  /** Begins with an empty file, which must not be there yet. */
  static async create(file: string, place: MoveToBlob): Promise<StagedBlob> {
    try {
      await (await open(file, 'wx', 0o644)).close();
    } catch (error) {
      throw writeFailure(dirname(file), error);
    }
    return new StagedBlob(file, place);
  }

  /** Bytes that have arrived so far. */
  get size(): number {
    return this.#size;
  }

  /** Takes bytes, no faster than they can be written. Where the source fails, what came before stays. */
  async append(chunks: AsyncIterable<Uint8Array>, options: AppendOptions = {}): Promise<void> {
    const fail = (error: unknown): never => {
      throw writeFailure(dirname(this.#file), error);
    };
    const handle = await open(this.#file, 'r+').catch(fail);
    try {
      for await (const chunk of chunks) {
        options.signal?.throwIfAborted();
        if (this.#size + chunk.length > (options.limit ?? Infinity)) {
          throw new MlistError('ERR_MLIST_CONTENT_MISMATCH', `the content is longer than ${options.limit} bytes`);
        }
        await writeAll(handle, chunk, this.#size).catch(fail);
        this.#digester.update(chunk);
        this.#size += chunk.length;
      }
    } finally {
      await handle.close();
    }
  }

  /**
   * Makes it the blob of this digest, once; afterwards nothing is left to discard.
   * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` where the bytes are others: then nothing is stored.
   */
  async commit(digest: Digest): Promise<void> {
    try {
      if (!isVerifiable(digest)) {
        throw new MlistError(
          'ERR_MLIST_DIGEST_INVALID',
          `${digest} cannot be checked: its algorithm is not known here`,
        );
      }
      const actual = await this.#seal(digestAlgorithm(digest));
      if (actual !== digest) {
        throw new MlistError('ERR_MLIST_CONTENT_MISMATCH', `the content has the digest ${actual}, not ${digest}`);
      }
      await this.#place(this.#file, digest);
    } catch (error) {
      await this.discard();
      throw writeFailure(dirname(this.#file), error);
    }
  }

  async discard(): Promise<void> {
    await unlink(this.#file).catch(() => undefined);
  }

  /** Cuts off what a failed write left behind the end, makes the file last, and gives its digest. */
  async #seal(algorithm: string): Promise<string> {
    const handle = await open(this.#file, 'r+');
    try {
      await handle.truncate(this.#size);
      await syncFile(handle);
      return algorithm === 'sha256' ? this.#digester.digest() : await this.#hash(handle, algorithm);
    } finally {
      await handle.close();
    }
  }

  async #hash(handle: FileHandle, algorithm: string): Promise<string> {
    const hash = createHash(algorithm);
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let at = 0; at < this.#size;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK, at);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    return `${algorithm}:${hash.digest('hex')}`;
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    done += (await handle.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
  }
}

import { open, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import { syncFile } from '../../fs/atomic.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import { writeAt } from '../../fs/write-at.ts';
import { digestAlgorithm, Digester, type Digest } from '../../oci/digest.ts';
import { cancelledUpload, checkVerifiable, contentMismatch, type BlobIdentity } from '../verify.ts';

const CHUNK = 256 * 1024;

export interface AppendOptions {
  readonly signal?: AbortSignal | undefined;
  /** The blob that the bytes belong to. More bytes than its size are refused. Default: any number is accepted. */
  readonly expected?: BlobIdentity | undefined;
}

/** Moves a file to the path of the blob with this digest. */
export type MoveToBlob = (file: string, digest: Digest) => Promise<void>;

/**
 * A blob that is being uploaded. Its bytes are in a temporary file, which is moved to the path of the blob after the
 * digest was verified, so readers never see an incomplete blob.
 */
export class StagedBlob {
  readonly #file: string;
  readonly #moveToBlob: MoveToBlob;
  readonly #digester = new Digester();
  #size = 0;
  #isDiscarded = false;

  private constructor(file: string, moveToBlob: MoveToBlob) {
    this.#file = file;
    this.#moveToBlob = moveToBlob;
  }

  /** Creates the temporary file, which must not exist. */
  static async create(file: string, moveToBlob: MoveToBlob): Promise<StagedBlob> {
    try {
      await (await open(file, 'wx', 0o644)).close();
    } catch (error) {
      throw writeFailure(dirname(file), error);
    }
    return new StagedBlob(file, moveToBlob);
  }

  /** Number of bytes received so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends chunks. Each is written before the next one is read. If the source fails, the written chunks are kept. */
  async append(
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { signal, expected }: AppendOptions = {},
  ): Promise<void> {
    const fail = (error: unknown): never => {
      throw writeFailure(dirname(this.#file), error);
    };
    const handle = await open(this.#file, 'r+').catch(fail);
    try {
      for await (const chunk of chunks) {
        signal?.throwIfAborted();
        if (this.#isDiscarded) throw cancelledUpload();
        if (expected !== undefined && this.#size + chunk.length > expected.size) {
          throw contentMismatch(`${expected.digest} has ${expected.size} bytes, but more were received`);
        }
        await writeAt(handle, chunk, this.#size).catch(fail);
        this.#digester.update(chunk);
        this.#size += chunk.length;
      }
    } finally {
      await handle.close();
    }
  }

  /** Streams the bytes received so far, from `start` on. The stream must end before `commit` or `discard` is called. */
  async *read(start: number): AsyncGenerator<Uint8Array> {
    const end = this.#size;
    const handle = await open(this.#file, 'r');
    try {
      for (let at = start; at < end;) {
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) throw this.#truncated();
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  /**
   * Verifies the digest and moves the file to the path of the blob. May be called once. If it fails, the temporary file
   * is removed.
   * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the bytes have another digest
   */
  async commit(digest: Digest): Promise<void> {
    try {
      if (this.#isDiscarded) throw cancelledUpload();
      checkVerifiable(digest);
      const actual = await this.#finish(digestAlgorithm(digest));
      if (actual !== digest) {
        throw contentMismatch(`the content has the digest ${actual}, not ${digest}`);
      }
      await this.#moveToBlob(this.#file, digest);
    } catch (error) {
      await this.discard();
      throw writeFailure(dirname(this.#file), error);
    }
  }

  async discard(): Promise<void> {
    this.#isDiscarded = true;
    await unlink(this.#file).catch(() => undefined);
  }

  #truncated(): MlistError {
    const message = `cannot read the temporary file ${this.#file}: it has fewer bytes than were written`;
    return new MlistError('ERR_MLIST_FILE', message, { path: this.#file });
  }

  /** Removes the bytes of failed writes, syncs the file, and returns its digest. */
  async #finish(algorithm: string): Promise<Digest> {
    const handle = await open(this.#file, 'r+');
    try {
      await handle.truncate(this.#size);
      await syncFile(handle);
      return algorithm === 'sha256' ? this.#digester.digest() : await this.#hash(handle, algorithm);
    } finally {
      await handle.close();
    }
  }

  async #hash(handle: FileHandle, algorithm: string): Promise<Digest> {
    const digester = new Digester(algorithm);
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let at = 0; at < this.#size;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK, at);
      if (bytesRead === 0) break;
      digester.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    return digester.digest();
  }
}

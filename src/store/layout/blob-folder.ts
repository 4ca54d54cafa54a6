import { randomBytes } from 'node:crypto';
import { link, mkdir, open, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { asMlistError, errorCode, MlistError } from '../../errors/errors.ts';
import { removeStaleTemporaries, renameOver, syncFolder } from '../../fs/atomic.ts';
import { Limiter } from '../../async/limiter.ts';
import { openFiles } from '../../fs/open-files.ts';
import { digestAlgorithm, digestEncoded, type Digest } from '../../oci/digest.ts';
import { checkVerifiable, damagedBlob, damageError, verified, readWhole, type BlobIdentity } from '../verify.ts';
import { isNotFound, realPathInside } from './path-inside.ts';
import { StagedBlob } from './staged-blob.ts';

const CHUNK = 256 * 1024;

/** Blobs that are written at once: each holds one file open, and a second one if it comes from a layout too. */
export const blobWrites = new Limiter(64);

/** An upload that lies longer than this was left behind by a crash. */
const STALE_MS = 24 * 60 * 60 * 1000;

/** The `blobs` folder of a layout: `blobs/<algorithm>/<encoded>` (image-spec v1.1.1 image-layout.md "Blobs"). */
export class BlobFolder {
  readonly #root: string;
  readonly #name: string;

  /**
   * @param root the layout's folder, its real path
   * @param name what the layout is called where something is wrong with a blob
   */
  constructor(root: string, name = root) {
    this.#root = root;
    this.#name = name;
  }

  /** Length of the blob's file; undefined where there is none. */
  async size(digest: Digest): Promise<number | undefined> {
    const real = await this.#find(digest);
    if (real === undefined) return undefined;
    try {
      const info = await stat(real);
      return info.isFile() ? info.size : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw asMlistError(error);
    }
  }

  /** A small blob whole: at most 4 MiB, verified. */
  bytes(blob: BlobIdentity, signal?: AbortSignal): Promise<Uint8Array> {
    return openFiles.run(() => readWhole(blob, () => this.stream(blob, signal)));
  }

  /** The blob's bytes, verified. */
  async *stream({ digest, size }: BlobIdentity, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const actual = await this.size(checkVerifiable(digest));
    if (actual !== undefined && actual !== size) {
      throw damagedBlob(digest, `${actual} bytes, not ${size}`, this.#name);
    }
    yield* verified({ digest, size }, this.range(digest, 0, size, signal), damageError(this.#name));
  }

  /** The bytes from `start` up to, not including, `end`; not verified. */
  async *range(digest: Digest, start: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const handle = await this.#open(digest);
    try {
      for (let at = start; at < end;) {
        signal?.throwIfAborted();
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) throw damagedBlob(digest, `only ${at} bytes`, this.#name);
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  /**
   * Stores bytes that the caller has verified, unless exactly these are there.
   * @returns whether they were not
   */
  write({ digest, size }: BlobIdentity, bytes: Uint8Array): Promise<boolean> {
    return blobWrites.run(async () => {
      if (await this.hasIntact({ digest, size })) return false;
      const staged = await this.stage();
      try {
        await staged.append(once(bytes));
      } catch (error) {
        await staged.discard();
        throw asMlistError(error);
      }
      await staged.commit(digest);
      return true;
    });
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such blob. */
  async remove(digest: Digest): Promise<void> {
    const real = await this.#find(digest);
    try {
      if (real !== undefined) return await unlink(this.#path(digest));
    } catch (error) {
      if (!isNotFound(error)) throw asMlistError(error);
    }
    throw this.#absent(digest);
  }

  /** Begins a blob whose bytes are still to come. Its file lies beside index.json: unknown files there are ignored. */
  stage(): Promise<StagedBlob> {
    const file = join(this.#root, `.blob.${randomBytes(8).toString('hex')}.tmp`);
    return StagedBlob.create(file, (from, digest) => this.#place(digest, (to) => renameOver(from, to)));
  }

  /** Takes over the blob of another layout by a hard link; false where that cannot be done, for whatever reason. */
  async linkFrom(other: BlobFolder, { digest, size }: BlobIdentity): Promise<boolean> {
    const from = await other.#find(digest);
    if (from === undefined || (await other.size(digest)) !== size) return false;
    await this.#place(digest, (to) => link(from, to)).catch(() => undefined);
    return (await this.size(digest)) === size;
  }

  /** Removes what crashed writers left behind. */
  async removeStale(): Promise<void> {
    await removeStaleTemporaries(this.#root, STALE_MS);
  }

  /** Whether exactly these bytes lie here: they are read to tell. */
  async hasIntact(blob: BlobIdentity, signal?: AbortSignal): Promise<boolean> {
    if ((await this.size(blob.digest)) !== blob.size) return false;
    try {
      let length = 0;
      for await (const chunk of this.stream(blob, signal)) length += chunk.length;
      return length === blob.size;
    } catch (error) {
      signal?.throwIfAborted();
      if (errorCode(error) === 'ERR_MLIST_CONTENT_MISMATCH' || errorCode(error) === 'ERR_MLIST_NOT_FOUND') return false;
      throw error;
    }
  }

  async #place(digest: Digest, put: (to: string) => Promise<void>): Promise<void> {
    const path = this.#path(digest);
    const folder = join(this.#root, 'blobs', digestAlgorithm(digest));
    for (const made of [join(this.#root, 'blobs'), folder]) {
      await mkdir(made).catch((error: unknown) => {
        if (errorCode(error) !== 'EEXIST') throw asMlistError(error);
      });
      await realPathInside(this.#root, made, this.#name);
    }
    await put(path);
    await syncFolder(folder);
  }

  async #open(digest: Digest): Promise<FileHandle> {
    const real = await this.#find(digest);
    if (real === undefined) throw this.#absent(digest);
    try {
      if (!(await stat(real)).isFile()) throw this.#absent(digest);
      return await open(real, 'r');
    } catch (error) {
      throw isNotFound(error) ? this.#absent(digest) : asMlistError(error);
    }
  }

  #absent(digest: Digest): MlistError {
    return new MlistError('ERR_MLIST_NOT_FOUND', `there is no blob ${digest} in ${this.#name}`);
  }

  #find(digest: Digest): Promise<string | undefined> {
    return realPathInside(this.#root, this.#path(digest), this.#name);
  }

  /** Only a checked digest becomes a path: it holds no separators, and no dots that lead upwards. */
  #path(digest: Digest): string {
    return join(this.#root, 'blobs', digestAlgorithm(checkVerifiable(digest)), digestEncoded(digest));
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

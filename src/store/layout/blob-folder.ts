import type { Stats } from 'node:fs';
import { link, lstat, mkdir, open, rename, stat, unlink, utimes, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { asMlistError, errorCode, MlistError } from '../../errors/errors.ts';
import { listFolder, removeStaleTemporaries, renameOver, syncFolder, temporaryName } from '../../fs/atomic.ts';
import { isNotFound, writeFailure } from '../../fs/file-errors.ts';
import { Limiter } from '../../async/limiter.ts';
import { openFiles } from '../../fs/open-files.ts';
import { digestAlgorithm, digestEncoded, isDigest, isVerifiable, type Digest } from '../../oci/digest.ts';
import {
  checkVerifiable,
  contentMismatch,
  damagedBlob,
  damageError,
  readWhole,
  verified,
  type BlobIdentity,
} from '../verify.ts';
import { fileChunks } from './file-chunks.ts';
import { realPathInside } from './path-inside.ts';
import { StagedBlob } from './staged-blob.ts';
import { preciseVersion, VerifiedFiles } from './verified-files.ts';

/** Limits concurrent blob writes: each keeps one file open, or two if its source is a layout. */
export const blobWrites = new Limiter(64);

/** Temporary files are removed after this time, in milliseconds, if it is unknown whether their process still runs. */
export const STALE_MS = 24 * 60 * 60 * 1000;

/** To save writes, a blob that was used less than this number of milliseconds ago is not marked as used again. */
export const RECENT_MS = 30_000;

/** Facts about the file of a blob. Times are in milliseconds since the epoch. */
export interface BlobFile {
  readonly size: number;
  readonly inode: number;
  readonly modified: number;
  /** When the blob was last uploaded, mounted or marked as used. Adding or removing a hard link also sets this time. */
  readonly used: number;
  /** Number of repositories and layouts that share the file. */
  readonly links: number;
}

/** Returns the facts about a blob's file, or undefined if it is not a regular file. */
function fileOf(info: Stats): BlobFile | undefined {
  if (!info.isFile()) return undefined;
  const { size, ino, mtimeMs, ctimeMs, nlink } = info;
  return { size, inode: ino, modified: mtimeMs, used: Math.max(mtimeMs, ctimeMs), links: nlink };
}

async function versionOf(handle: FileHandle): Promise<string | undefined> {
  return preciseVersion(await handle.stat({ bigint: true }));
}

/** The `blobs` folder of a layout: `blobs/<algorithm>/<encoded>` (image-spec v1.1.1 image-layout.md "Blobs"). */
export class BlobFolder {
  readonly #root: string;
  readonly #name: string;
  readonly #verified = new VerifiedFiles();

  /**
   * @param root - real path of the layout's folder
   * @param name - name of the layout in errors
   */
  constructor(root: string, name: string) {
    this.#root = root;
    this.#name = name;
  }

  /** Returns the size of a blob in bytes, or undefined if its file does not exist or is not a regular file. */
  async size(digest: Digest): Promise<number | undefined> {
    const real = await this.#realPath(digest);
    if (real === undefined) return undefined;
    try {
      const info = await stat(real);
      return info.isFile() ? info.size : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw asMlistError(error);
    }
  }

  /**
   * Reads a whole blob and verifies it.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the blob has more than `MAX_DOCUMENT_BYTES`
   */
  bytes(blob: BlobIdentity, signal?: AbortSignal): Promise<Uint8Array> {
    return openFiles.run(() => readWhole(blob, () => this.stream(blob, signal)));
  }

  async *stream({ digest, size }: BlobIdentity, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const actual = await this.size(checkVerifiable(digest));
    if (actual !== undefined && actual !== size) {
      throw damagedBlob(digest, `${actual} bytes, not ${size}`, this.#name);
    }
    yield* verified({ digest, size }, this.range(digest, 0, size, signal), damageError(this.#name));
  }

  /** Streams the bytes from `start` to `end` (exclusive), without verification. */
  async *range(digest: Digest, start: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const handle = await this.#open(digest);
    try {
      yield* fileChunks(handle, start, end, { signal, truncated: this.#truncated(digest) });
    } finally {
      await handle.close();
    }
  }

  /**
   * Streams a blob to a client. A chunk is valid until the next one is requested. A blob that this process has received
   * or verified within the last hour is not hashed again if its file is unchanged. The last chunk is yielded only after
   * the blob was verified, or its file was found unchanged.
   */
  async *serve(blob: BlobIdentity): AsyncGenerator<Uint8Array> {
    const { digest, size } = blob;
    const handle = await this.#open(checkVerifiable(digest));
    try {
      const version = await versionOf(handle);
      const chunks = fileChunks(handle, 0, size, { reuse: true, truncated: this.#truncated(digest) });
      if (this.#verified.has(digest, version)) yield* this.#unchanged(blob, chunks, handle, version);
      else {
        yield* verified(blob, chunks, damageError(this.#name));
        this.#verified.add(digest, (await versionOf(handle)) === version ? version : undefined);
      }
    } finally {
      await handle.close();
    }
  }

  async *#unchanged(
    { digest, size }: BlobIdentity,
    chunks: AsyncIterable<Uint8Array>,
    handle: FileHandle,
    version: string | undefined,
  ): AsyncGenerator<Uint8Array> {
    let length = 0;
    for await (const chunk of chunks) {
      length += chunk.length;
      if (length === size && (await versionOf(handle)) !== version)
        throw contentMismatch(`the blob ${digest} in ${this.#name} changed while it was being read`);
      yield chunk;
    }
  }

  /**
   * Stores bytes that the caller has verified, unless the blob exists and is intact.
   * @returns whether the blob was written
   */
  write({ digest, size }: BlobIdentity, bytes: Uint8Array): Promise<boolean> {
    return blobWrites.run(async () => {
      if (await this.keeps({ digest, size })) return false;
      const staged = await this.stage();
      try {
        await staged.append([bytes]);
      } catch (error) {
        await staged.discard();
        throw asMlistError(error);
      }
      await staged.commit(digest);
      return true;
    });
  }

  /**
   * Removes a blob.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist
   */
  async remove(digest: Digest): Promise<void> {
    const real = await this.#realPath(digest);
    try {
      if (real !== undefined) return await unlink(this.#path(digest));
    } catch (error) {
      if (!isNotFound(error)) throw asMlistError(error);
    }
    throw this.#notFound(digest);
  }

  /**
   * Starts an upload. The temporary file is stored next to index.json, because other tools ignore unknown files there.
   */
  stage(): Promise<StagedBlob> {
    const file = temporaryName(join(this.#root, 'blob'));
    return StagedBlob.create(file, async (from, digest) => {
      await this.#create(digest, (to) => renameOver(from, to));
      const info = await stat(this.#path(digest), { bigint: true }).catch(() => undefined);
      this.#verified.add(digest, info && preciseVersion(info));
    });
  }

  /**
   * Creates the blob as a hard link to its file in another layout.
   * @returns whether both layouts have a blob of this size afterwards; false, for example, if they are on different
   * file systems
   */
  async linkFrom(other: BlobFolder, { digest, size }: BlobIdentity): Promise<boolean> {
    const from = await other.#realPath(digest);
    if (from === undefined || (await other.size(digest)) !== size) return false;
    await this.#create(digest, (to) => link(from, to)).catch(() => undefined);
    return (await this.size(digest)) === size;
  }

  /** Yields the digests of all blobs. Other files are skipped. */
  async *all(): AsyncGenerator<Digest> {
    const folder = join(this.#root, 'blobs');
    for (const algorithm of await listFolder(folder)) {
      const inside = join(folder, algorithm);
      if ((await realPathInside(this.#root, inside, this.#name)) !== inside) continue;
      for (const encoded of await listFolder(inside).catch(() => [])) {
        const digest = `${algorithm}:${encoded}`;
        if (isDigest(digest) && isVerifiable(digest)) yield digest;
      }
    }
  }

  /** Returns the facts about a blob's file, or undefined if it does not exist or is not a regular file. */
  async file(digest: Digest): Promise<BlobFile | undefined> {
    try {
      return fileOf(await lstat(this.#path(digest)));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw asMlistError(error);
    }
  }

  /** Marks the blob as recently used, if the file system allows it. */
  async refresh(digest: Digest): Promise<void> {
    const now = new Date();
    await utimes(this.#path(digest), now, now).catch(() => undefined);
  }

  /**
   * Removes a blob unless its file has changed since the caller examined it. The file is renamed before it is checked,
   * so that a concurrent upload of the same blob is not removed.
   * @returns whether the blob was removed
   */
  async removeUnchanged(digest: Digest, seen: BlobFile): Promise<boolean> {
    const path = this.#path(digest);
    const aside = temporaryName(join(this.#root, 'garbage'));
    try {
      await rename(path, aside);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw writeFailure(path, error);
    }
    const found = fileOf(await lstat(aside));
    const isSame = found?.inode === seen.inode && found.modified === seen.modified;
    // A file that was uploaded in the meantime is renamed back. If the blob was uploaded again after the first rename,
    // the new file is replaced: both files have the same bytes.
    await (isSame ? unlink(aside) : rename(aside, path));
    return isSame;
  }

  /** Removes temporary files of crashed processes. */
  async removeStale(): Promise<void> {
    await removeStaleTemporaries(this.#root, STALE_MS);
  }

  /** Whether the blob exists and is intact. Reads the whole blob. */
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

  /**
   * Whether the blob exists and is intact, which means that it need not be stored again. An intact blob is marked as
   * used, so that garbage collection in another process keeps it for the grace time.
   */
  async keeps(blob: BlobIdentity, signal?: AbortSignal): Promise<boolean> {
    if (!(await this.hasIntact(blob, signal))) return false;
    const file = await this.file(blob.digest);
    if (file !== undefined && Date.now() - file.used > RECENT_MS) await this.refresh(blob.digest);
    // Another process may have removed the blob before it was marked.
    return (await this.size(blob.digest)) === blob.size;
  }

  /** Creates the folder of a blob if it does not exist, and calls `create` with the path of the blob. */
  async #create(digest: Digest, create: (to: string) => Promise<void>): Promise<void> {
    const path = this.#path(digest);
    const folder = join(this.#root, 'blobs', digestAlgorithm(digest));
    for (const each of [join(this.#root, 'blobs'), folder]) {
      await mkdir(each).catch((error: unknown) => {
        if (errorCode(error) !== 'EEXIST') throw asMlistError(error);
      });
      await realPathInside(this.#root, each, this.#name);
    }
    await create(path);
    await syncFolder(folder);
  }

  async #open(digest: Digest): Promise<FileHandle> {
    const real = await this.#realPath(digest);
    if (real === undefined) throw this.#notFound(digest);
    try {
      if (!(await stat(real)).isFile()) throw this.#notFound(digest);
      return await open(real, 'r');
    } catch (error) {
      throw isNotFound(error) ? this.#notFound(digest) : asMlistError(error);
    }
  }

  #truncated(digest: Digest): (size: number) => MlistError {
    return (size) => damagedBlob(digest, `only ${size} bytes`, this.#name);
  }

  #notFound(digest: Digest): MlistError {
    return new MlistError('ERR_MLIST_NOT_FOUND', `there is no blob ${digest} in ${this.#name}`);
  }

  #realPath(digest: Digest): Promise<string | undefined> {
    return realPathInside(this.#root, this.#path(digest), this.#name);
  }

  /** Returns the path of a blob. Validates the digest first, so that the path cannot contain separators or `..`. */
  #path(digest: Digest): string {
    return join(this.#root, 'blobs', digestAlgorithm(checkVerifiable(digest)), digestEncoded(digest));
  }
}

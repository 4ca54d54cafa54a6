import { existsSync, type Stats } from 'node:fs';
import { stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SingleFlight } from '../async/single-flight.ts';
import { errorCode, type MlistError } from '../errors/errors.ts';
import { createFolders } from '../fs/folders.ts';
import { listFolder, removeFile, removeStaleTemporaries, renameOver, temporaryName } from '../fs/atomic.ts';
import { isExhausted, readFailure, writeFailure } from '../fs/file-errors.ts';
import { openFiles } from '../fs/open-files.ts';
import { readAtMostSync } from '../fs/read-file.ts';
import { digestAlgorithm, digestEncoded, digestMatches, digestOf, isDigest, type Digest } from '../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../json/parse.ts';

/** Maximum size of a file that is read. Cached documents are smaller. */
const MAX_BYTES = 4 * MAX_DOCUMENT_BYTES;

/** Maximum total size of the documents that are kept in memory instead of in files. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

interface HeldDocument {
  readonly bytes: Uint8Array;
  /** Time of the last use, in milliseconds of `performance.now()`. */
  readonly usedAt: number;
}

/**
 * Caches the exact bytes of manifests and configs by digest, in files `blobs/<algorithm>/<encoded>`. A document that is
 * missing, damaged or unreadable is fetched again, so no fsync is necessary. A document that cannot be written to its
 * file is kept in memory. Before a caller writes a draft that refers to cached documents, it must call
 * `requireWritten`.
 */
export class BlobCache {
  /** Path of the workspace; undefined if the cache is only in memory. */
  readonly workspaceFolder: string | undefined;
  readonly #folder: string | undefined;
  readonly #held = new Map<Digest, HeldDocument>();
  #heldBytes = 0;
  readonly #creating = new SingleFlight<void>();
  #failure: MlistError | undefined;

  constructor(workspaceFolder: string | undefined) {
    this.workspaceFolder = workspaceFolder;
    this.#folder = workspaceFolder === undefined ? undefined : join(workspaceFolder, 'blobs');
  }

  /** Returns the bytes with this digest; undefined if they are not cached, or the file is damaged. */
  // eslint-disable-next-line @typescript-eslint/require-await -- callers handle failures as rejections
  async get(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#held.get(digest)?.bytes ?? this.#read(digest);
  }

  /**
   * Stores the bytes, or records the current time as their last use if they are already cached. Returns their digest.
   */
  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    const path = this.#pathOf(digest);
    if (path === undefined) {
      this.#hold(digest, bytes);
    } else if (this.#read(digest) === undefined) {
      await this.#write(path, bytes).catch((thrown: unknown) => {
        this.#failure ??= writeFailure(path, thrown);
        this.#hold(digest, bytes);
      });
    } else {
      const now = new Date();
      await utimes(path, now, now).catch(() => this.#hold(digest, bytes));
    }
    return digest;
  }

  /**
   * Checks that no write of a document to its file has failed.
   * @throws MlistError `ERR_MLIST_FILE` if a document could not be written
   */
  requireWritten(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Returns the milliseconds since the last `put` of the document; undefined if it is not cached. */
  async age(digest: Digest): Promise<number | undefined> {
    const held = this.#held.get(digest);
    if (held !== undefined) return performance.now() - held.usedAt;
    const path = this.#pathOf(digest);
    const info = path === undefined ? undefined : await fileAt(path);
    return info === undefined ? undefined : Date.now() - info.mtimeMs;
  }

  /** Returns the digests of the documents that have files. The files may be damaged. */
  async digests(): Promise<readonly Digest[]> {
    if (this.#folder === undefined) return [];
    const found: Digest[] = [];
    for (const algorithm of await listFolder(this.#folder)) {
      for (const encoded of await listFolder(join(this.#folder, algorithm))) {
        const digest = `${algorithm}:${encoded}`;
        if (isDigest(digest)) found.push(digest);
      }
    }
    return found;
  }

  /**
   * Removes the files of documents that are not needed and have not been used for `age` milliseconds. Also removes
   * temporary files of this age.
   * @returns the digests of the removed documents
   */
  async prune(needed: ReadonlySet<string>, age: number): Promise<readonly Digest[]> {
    const removed: Digest[] = [];
    if (this.#folder === undefined) return removed;
    for (const algorithm of await listFolder(this.#folder))
      await removeStaleTemporaries(join(this.#folder, algorithm), age);
    for (const digest of await this.digests()) {
      const path = needed.has(digest) ? undefined : this.#pathOf(digest);
      const info = path === undefined ? undefined : await fileAt(path);
      if (path === undefined || info === undefined || Date.now() - info.mtimeMs < age) continue;
      if (await removeFile(path)) removed.push(digest);
    }
    return removed;
  }

  /**
   * Reads the file of a document. Returns undefined if the file is missing or damaged; a pipe or a folder is treated as
   * a damaged file. The read is synchronous: in most cases the file is missing, and an asynchronous check would delay
   * the request that follows.
   */
  #read(digest: Digest): Uint8Array | undefined {
    const path = this.#pathOf(digest);
    if (path === undefined || !existsSync(path)) return undefined;
    const bytes = readIfPossible(path);
    return bytes !== undefined && digestMatches(digest, bytes) ? bytes : undefined;
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const temporaryPath = temporaryName(path);
    try {
      await this.#writeNew(temporaryPath, bytes);
      await renameOver(temporaryPath, path);
    } catch (error) {
      await unlink(temporaryPath).catch(() => undefined);
      throw error;
    }
  }

  /** Writes a file. Its folder nearly always exists; otherwise, it is created once for all concurrent writes. */
  async #writeNew(path: string, bytes: Uint8Array): Promise<void> {
    const write = () => openFiles.run(() => writeFile(path, bytes, { flag: 'wx' }));
    await write().catch(async (error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
      const folder = dirname(path);
      await this.#creating.run(folder, () => createFolders(folder));
      await write();
    });
  }

  #hold(digest: Digest, bytes: Uint8Array): void {
    this.#release(digest);
    this.#held.set(digest, { bytes, usedAt: performance.now() });
    this.#heldBytes += bytes.length;
    for (const oldest of this.#held.keys()) {
      if (this.#heldBytes <= MAX_HELD_BYTES) break;
      this.#release(oldest);
    }
  }

  #release(digest: Digest): void {
    this.#heldBytes -= this.#held.get(digest)?.bytes.length ?? 0;
    this.#held.delete(digest);
  }

  #pathOf(digest: Digest): string | undefined {
    if (this.#folder === undefined) return undefined;
    return join(this.#folder, digestAlgorithm(digest), digestEncoded(digest));
  }
}

/**
 * Reads a file. Returns undefined if it cannot be read.
 * @throws MlistError `ERR_MLIST_FILE` if the process has too many open files, since the file itself may be intact
 */
function readIfPossible(path: string): Uint8Array | undefined {
  try {
    return readAtMostSync(path, MAX_BYTES).bytes;
  } catch (thrown) {
    if (isExhausted(thrown)) throw readFailure(path, thrown);
    return undefined;
  }
}

/** Returns the status of a file; undefined if the path does not exist or is not a regular file. */
async function fileAt(path: string): Promise<Stats | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() === true ? info : undefined;
}

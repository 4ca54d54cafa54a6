import { existsSync, type Stats } from 'node:fs';
import { stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SingleFlight } from '../async/single-flight.ts';
import { errorCode, type MlistError } from '../errors/errors.ts';
import { createFolders } from '../fs/folders.ts';
import { listFolder, removeStaleTemporaries, renameOver } from '../fs/atomic.ts';
import { isExhausted, readFailure, writeFailure } from '../fs/file-errors.ts';
import { openFiles } from '../fs/open-files.ts';
import { readAtMost } from '../fs/read-file.ts';
import { uniqueName } from '../fs/unique-name.ts';
import { digestAlgorithm, digestEncoded, digestMatches, digestOf, isDigest, type Digest } from '../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../json/parse.ts';

/** No document is larger: what is, is none of the cache's. */
const MAX_BYTES = 4 * MAX_DOCUMENT_BYTES;

/** So much is held in memory of what could not be written. */
const MAX_HELD = 64 * 1024 * 1024;

interface Held {
  readonly bytes: Uint8Array;
  /** By the clock of `performance.now()`. */
  readonly at: number;
}

/**
 * Exact bytes of manifests and configs by digest: `blobs/<algorithm>/<encoded>`. Only a cache: what is missing, damaged
 * or cannot be read is fetched again, so that nothing here needs an fsync. What cannot be written is held in memory for as
 * long as the cache is open; only who writes a draft that rests on it needs to know (`requireWritten`).
 */
export class BlobCache {
  /** Undefined if the cache is only in memory. */
  readonly workspaceFolder: string | undefined;
  readonly #folder: string | undefined;
  readonly #held = new Map<Digest, Held>();
  #heldBytes = 0;
  readonly #creating = new SingleFlight<void>();
  #failure: MlistError | undefined;

  constructor(workspaceFolder: string | undefined) {
    this.workspaceFolder = workspaceFolder;
    this.#folder = workspaceFolder === undefined ? undefined : join(workspaceFolder, 'blobs');
  }

  /** The bytes that the digest names; undefined where they are not there, or not these. */
  async get(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#held.get(digest)?.bytes ?? this.#read(digest);
  }

  /** Keeps the bytes, and counts them as used now. */
  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    const path = this.#pathOf(digest);
    if (path === undefined) {
      this.#hold(digest, bytes);
    } else if ((await this.#read(digest)) === undefined) {
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

  /** @throws MlistError `ERR_MLIST_FILE` where something that was put could not be written */
  requireWritten(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Milliseconds since the bytes were last read from where they come from; undefined where they are not there. */
  async age(digest: Digest): Promise<number | undefined> {
    const held = this.#held.get(digest);
    if (held !== undefined) return performance.now() - held.at;
    const path = this.#pathOf(digest);
    const info = path === undefined ? undefined : await fileAt(path);
    return info === undefined ? undefined : Date.now() - info.mtimeMs;
  }

  /** Removes what is not needed and was not used for `age` milliseconds; tells what was removed. */
  async prune(needed: ReadonlySet<string>, age: number): Promise<readonly Digest[]> {
    const removed: Digest[] = [];
    if (this.#folder === undefined) return removed;
    for (const algorithm of await listFolder(this.#folder)) {
      const folder = join(this.#folder, algorithm);
      await removeStaleTemporaries(folder, age);
      for (const encoded of await listFolder(folder)) {
        const digest = `${algorithm}:${encoded}`;
        if (!isDigest(digest) || needed.has(digest)) continue;
        const path = join(folder, encoded);
        const info = await fileAt(path);
        if (info === undefined || Date.now() - info.mtimeMs < age) continue;
        await unlink(path);
        removed.push(digest);
      }
    }
    return removed;
  }

  /**
   * Nobody has named these files: a pipe or a folder in the place of one is as good as a damaged one. That there is none is
   * found at once: it is the common case, and the turn of another thread would hold up the request that waits for it.
   */
  async #read(digest: Digest): Promise<Uint8Array | undefined> {
    const path = this.#pathOf(digest);
    if (path === undefined || !existsSync(path)) return undefined;
    const bytes = await readAtMost(path, { maxBytes: MAX_BYTES, onlyFile: true }).catch((error: unknown) => {
      if (isExhausted(error)) throw readFailure(path, error);
      return undefined;
    });
    return bytes !== undefined && digestMatches(digest, bytes) ? bytes : undefined;
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const folder = dirname(path);
    const writing = join(folder, `.${basename(path).slice(0, 12)}.${uniqueName()}.tmp`);
    try {
      await this.#writeNew(writing, bytes, folder);
      await renameOver(writing, path);
    } catch (error) {
      await unlink(writing).catch(() => undefined);
      throw error;
    }
  }

  /** The folder nearly always exists. If it does not, it is created, once for all writes that need it. */
  async #writeNew(path: string, bytes: Uint8Array, folder: string): Promise<void> {
    const write = () => openFiles.run(() => writeFile(path, bytes, { flag: 'wx' }));
    await write().catch(async (error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
      await this.#creating.run(folder, () => createFolders(folder));
      await write();
    });
  }

  #hold(digest: Digest, bytes: Uint8Array): void {
    this.#letGo(digest);
    this.#held.set(digest, { bytes, at: performance.now() });
    this.#heldBytes += bytes.length;
    for (const oldest of this.#held.keys()) {
      if (this.#heldBytes <= MAX_HELD) break;
      this.#letGo(oldest);
    }
  }

  #letGo(digest: Digest): void {
    this.#heldBytes -= this.#held.get(digest)?.bytes.length ?? 0;
    this.#held.delete(digest);
  }

  #pathOf(digest: Digest): string | undefined {
    if (this.#folder === undefined) return undefined;
    return join(this.#folder, digestAlgorithm(digest), digestEncoded(digest));
  }
}

/** What is no regular file counts as not there. */
async function fileAt(path: string): Promise<Stats | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() === true ? info : undefined;
}

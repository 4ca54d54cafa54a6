import { readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../errors.ts';
import { makeFolders } from '../files/folders.ts';
import { namesIn, removeStaleTemporaries, renameOver } from '../files/atomic.ts';
import { writeFailure } from '../files/failure.ts';
import { uniqueName } from '../files/unique.ts';
import { digestAlgorithm, digestEncoded, digestMatches, digestOf, isDigest, type Digest } from '../oci/digest.ts';

/**
 * Exact bytes of manifests and configs by digest: `blobs/<algorithm>/<encoded>`. Only a cache: what is missing or
 * damaged is fetched again, so that nothing here needs an fsync.
 */
export class BlobCache {
  readonly #folder: string;

  constructor(workspaceFolder: string) {
    this.#folder = join(workspaceFolder, 'blobs');
  }

  /** The bytes that the digest names; undefined where they are not there, or not these. */
  async get(digest: Digest): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readFile(this.#pathOf(digest));
      return digestMatches(digest, bytes) ? bytes : undefined;
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  /** Keeps the bytes, and counts them as used now. */
  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    const path = this.#pathOf(digest);
    const isThere = (await this.get(digest)) !== undefined;
    if (isThere) {
      await utimes(path, new Date(), new Date());
      return digest;
    }
    const folder = join(this.#folder, digestAlgorithm(digest));
    const writing = join(folder, `.${digestEncoded(digest).slice(0, 12)}.${uniqueName()}.tmp`);
    try {
      await writeNew(writing, bytes, folder);
      await renameOver(writing, path);
    } catch (error) {
      await unlink(writing).catch(() => undefined);
      throw writeFailure(path, error);
    }
    return digest;
  }

  /** Milliseconds since the bytes were last read from where they come from; undefined where they are not there. */
  async age(digest: Digest): Promise<number | undefined> {
    const info = await stat(this.#pathOf(digest)).catch(() => undefined);
    return info === undefined ? undefined : Date.now() - info.mtimeMs;
  }

  /** Removes what is not needed and was not used for `age` milliseconds; tells what was removed. */
  async prune(needed: ReadonlySet<string>, age: number): Promise<readonly Digest[]> {
    const removed: Digest[] = [];
    for (const algorithm of await namesIn(this.#folder)) {
      await removeStaleTemporaries(join(this.#folder, algorithm), age);
      for (const encoded of await namesIn(join(this.#folder, algorithm))) {
        const digest = `${algorithm}:${encoded}`;
        if (!isDigest(digest) || needed.has(digest)) continue;
        const info = await stat(this.#pathOf(digest));
        if (Date.now() - info.mtimeMs < age) continue;
        await unlink(this.#pathOf(digest));
        removed.push(digest);
      }
    }
    return removed;
  }

  #pathOf(digest: Digest): string {
    return join(this.#folder, digestAlgorithm(digest), digestEncoded(digest));
  }
}

/** Nearly always the folder is there: it is made where it turns out not to be. */
async function writeNew(path: string, bytes: Uint8Array, folder: string): Promise<void> {
  const write = () => writeFile(path, bytes, { flag: 'wx' });
  await write().catch(async (error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
    await makeFolders(folder);
    await write();
  });
}

import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listFolder, removeFile, writeFileAtomic } from '../../fs/atomic.ts';
import { createFolders } from '../../fs/folders.ts';
import { openFiles } from '../../fs/open-files.ts';
import { isJsonObject } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import { digestEncoded, isDigest, type Digest } from '../../oci/digest.ts';
import type { BlobIdentity } from '../verify.ts';

const MAX_RECORD_BYTES = 1024;

/** The file names of records, as `#pathOf` creates them. */
const recordName = /^[0-9a-f]{64,128}\.[a-z0-9.-]+$/;

/**
 * Records the digest and size of compressed layers, in files `layers/<diff ID in hex>.<format>` of the workspace. With
 * a record, the manifest of an image can be generated without compressing the layer, so a layer that the target already
 * has is not compressed again.
 */
export class LayerRecords {
  readonly #folder: string | undefined;

  /** @param workspaceFolder - path of the workspace. If undefined, nothing is recorded */
  constructor(workspaceFolder: string | undefined) {
    this.#folder = workspaceFolder === undefined ? undefined : join(workspaceFolder, 'layers');
  }

  /** Returns the digest and size of a compressed layer, or undefined if there is no valid record. */
  async find(diffId: Digest, format: string): Promise<BlobIdentity | undefined> {
    const path = this.#pathOf(diffId, format);
    if (path === undefined) return undefined;
    const info = await lstat(path).catch(() => undefined);
    if (info?.isFile() !== true || info.size > MAX_RECORD_BYTES) return undefined;
    const bytes = await openFiles.run(() => readFile(path)).catch(() => undefined);
    const value = bytes && readJson(bytes).value;
    if (!isJsonObject(value)) return undefined;
    const { digest, size } = value;
    if (typeof digest !== 'string' || !isDigest(digest)) return undefined;
    return typeof size === 'number' && Number.isSafeInteger(size) && size > 0 ? { digest, size } : undefined;
  }

  /** Records a compressed layer. Failures are ignored, since a layer without a record is only compressed again. */
  async put(diffId: Digest, format: string, { digest, size }: BlobIdentity): Promise<void> {
    const path = this.#pathOf(diffId, format);
    if (path === undefined || this.#folder === undefined) return;
    try {
      await createFolders(this.#folder);
      await writeFileAtomic(path, `${JSON.stringify({ digest, size })}\n`);
    } catch {
      // A missing record only costs time.
    }
  }

  /**
   * Removes the records that were written at least `age` milliseconds ago. Other files in the folder are kept.
   * @returns the number of removed records
   */
  async prune(age: number): Promise<number> {
    let removed = 0;
    if (this.#folder === undefined) return removed;
    for (const name of await listFolder(this.#folder)) {
      if (!recordName.test(name)) continue;
      const path = join(this.#folder, name);
      const info = await lstat(path).catch(() => undefined);
      if (info?.isFile() !== true || Date.now() - info.mtimeMs < age) continue;
      if (await removeFile(path)) removed += 1;
    }
    return removed;
  }

  #pathOf(diffId: Digest, format: string): string | undefined {
    return this.#folder === undefined ? undefined : join(this.#folder, `${digestEncoded(diffId)}.${format}`);
  }
}

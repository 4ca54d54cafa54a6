import { open, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { renameOver, syncFile, syncFolder, temporaryName, type HeldLock } from '../../../fs/atomic.ts';
import { writeFailure } from '../../../fs/file-errors.ts';
import { writeAt } from '../../../fs/write-at.ts';
import type { TarSink } from './tar-writer.ts';

/** Writes to a temporary file, which is moved to the path of the archive when the archive is complete. */
export class FileSink implements TarSink {
  readonly #path: string;
  readonly #temporaryPath: string;
  readonly #file: FileHandle;
  readonly #lock: HeldLock | undefined;
  #at = 0;

  private constructor(path: string, temporaryPath: string, file: FileHandle, lock: HeldLock | undefined) {
    this.#path = path;
    this.#temporaryPath = temporaryPath;
    this.#file = file;
    this.#lock = lock;
  }

  /**
   * Creates the temporary file, in the folder of the archive.
   * @param lock - the lock that protects the path
   */
  static async create(path: string, lock?: HeldLock): Promise<FileSink> {
    const temporaryPath = temporaryName(path);
    const file = await open(temporaryPath, 'wx', 0o644).catch((error: unknown) => fail(path, error));
    return new FileSink(path, temporaryPath, file, lock);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeAt(this.#file, bytes, this.#at).catch((error: unknown) => fail(this.#path, error));
    this.#at += bytes.length;
  }

  rewind(length: number): void {
    this.#at = length;
  }

  async finish(): Promise<void> {
    try {
      await this.#file.truncate(this.#at);
      await syncFile(this.#file);
      await this.#file.close();
      await renameOver(this.#temporaryPath, this.#path, this.#lock);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await this.discard();
      throw writeFailure(this.#path, error);
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#temporaryPath).catch(() => undefined);
  }
}

function fail(path: string, error: unknown): never {
  throw writeFailure(path, error);
}

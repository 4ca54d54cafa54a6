import { lstat, mkdtemp, open, rm, rmdir, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MlistError } from '../errors/errors.ts';
import { listFolder } from './atomic.ts';
import { writeFailure } from './file-errors.ts';
import { writeAt } from './write-at.ts';

export interface SpoolOptions {
  /** The folder for temporary files. Default: the system's folder for temporary files (`$TMPDIR`). */
  readonly folder?: string | undefined;
  /** Maximum total size of all files, in bytes. Default: 90 % of the free space in the folder. */
  readonly maxBytes?: number | undefined;
}

/** A range of a file, in bytes. `end` is exclusive. */
export interface SpoolRange {
  readonly start: number;
  readonly end: number;
}

const PREFIX = 'mlist-spool-';
const CHUNK = 256 * 1024;

/** Folders older than this are treated as left over from killed processes. */
const STALE_MS = 24 * 60 * 60 * 1000;

/**
 * Manages the temporary files of one command. Each file is created in a private folder (mode 0700). The file and its
 * folder are removed as soon as the file is open, so that nothing remains even if the process is killed. Windows cannot
 * remove open files: there, `release` and `close` remove them, and a later command removes the files of killed
 * processes.
 */
export class Spool {
  readonly folder: string;
  readonly #files = new Set<SpoolFile>();
  #limit: Promise<number> | undefined;
  #cleaning: Promise<void> | undefined;
  #usedBytes = 0;
  #isClosed = false;

  constructor({ folder = tmpdir(), maxBytes }: SpoolOptions = {}) {
    this.folder = folder;
    if (maxBytes !== undefined) this.#limit = Promise.resolve(maxBytes);
  }

  /**
   * Creates an empty file.
   * @throws MlistError `ERR_MLIST_FILE` if the folder cannot be written to
   */
  async create(): Promise<SpoolFile> {
    if (this.#isClosed) throw new Error('the spool is closed');
    const { handle, remove } = await this.#open().catch((thrown: unknown) => {
      throw writeFailure(this.folder, thrown);
    });
    const file: SpoolFile = new SpoolFile(handle, {
      folder: this.folder,
      reserve: (bytes) => this.#reserve(bytes),
      free: (bytes) => (this.#usedBytes -= bytes),
      onRelease: async () => {
        this.#files.delete(file);
        this.#usedBytes -= file.size;
        await remove();
      },
    });
    this.#files.add(file);
    return file;
  }

  /** Closes and removes all files. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#files].map((file) => file.release()));
  }

  /**
   * Reserves space for bytes that are about to be written.
   * @throws MlistError `ERR_MLIST_FILE` if the limit of the spool would be exceeded
   */
  async #reserve(bytes: number): Promise<void> {
    const limit = await this.#maxBytes();
    const needed = this.#usedBytes + bytes;
    if (needed > limit) {
      const reason = `at least ${needed} bytes are needed, but the limit is ${limit}`;
      throw new MlistError('ERR_MLIST_FILE', `cannot store temporary files in ${this.folder}: ${reason}`, {
        remedy: { kind: 'more-temporary-space' },
      });
    }
    this.#usedBytes = needed;
  }

  #maxBytes(): Promise<number> {
    this.#limit ??= statfs(this.folder).then(
      ({ bavail, bsize }) => Math.floor(bavail * bsize * 0.9),
      (thrown: unknown) => {
        throw writeFailure(this.folder, thrown);
      },
    );
    return this.#limit;
  }

  async #open(): Promise<{ readonly handle: FileHandle; readonly remove: () => Promise<void> }> {
    await (this.#cleaning ??= removeStaleFolders(this.folder));
    const folder = await mkdtemp(join(this.folder, PREFIX));
    const path = join(folder, 'data');
    const removeAll = () => rm(folder, { recursive: true, force: true }).catch(() => undefined);
    const handle = await open(path, 'wx+', 0o600).catch(async (thrown: unknown) => {
      await removeAll();
      throw thrown;
    });
    const isRemoved = await unlink(path)
      .then(() => rmdir(folder))
      .then(
        () => true,
        () => false,
      );
    return { handle, remove: isRemoved ? () => Promise.resolve() : removeAll };
  }
}

interface SpoolFileParts {
  readonly folder: string;
  /** Reserves space within the limit of the spool. */
  readonly reserve: (bytes: number) => Promise<void>;
  /** Releases space that was reserved with `reserve`. */
  readonly free: (bytes: number) => void;
  readonly onRelease: () => Promise<void>;
}

/** A temporary file to which bytes are appended. Written ranges can be read at any time, even during an append. */
export class SpoolFile {
  /** The open file, for readers that need random access. */
  readonly handle: FileHandle;
  readonly #parts: SpoolFileParts;
  #size = 0;
  #release: Promise<void> | undefined;

  constructor(handle: FileHandle, parts: SpoolFileParts) {
    this.handle = handle;
    this.#parts = parts;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Appends bytes. Calls must not overlap.
   * @throws MlistError `ERR_MLIST_FILE` if the limit of the spool is exceeded, or the bytes cannot be written
   */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#parts.reserve(bytes.length);
    const start = this.#size;
    this.#size += bytes.length;
    await writeAt(this.handle, bytes, start).catch((thrown: unknown) => {
      throw writeFailure(this.#parts.folder, thrown);
    });
  }

  /** Discards all bytes beyond this size. Later appends overwrite them. */
  rewind(size: number): void {
    this.#parts.free(this.#size - size);
    this.#size = size;
  }

  /**
   * Appends all chunks.
   * @returns the range of the chunks in the file
   */
  async appendAll(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<SpoolRange> {
    const start = this.#size;
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      await this.append(chunk);
    }
    return { start, end: this.#size };
  }

  /**
   * Streams a range. Default: the whole file.
   * @throws MlistError `ERR_MLIST_FILE` if the file was truncated; the signal's abort reason if it is aborted
   */
  async *read(
    { start = 0, end = this.#size }: Partial<SpoolRange> = {},
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end;) {
      signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0)
        throw new MlistError(
          'ERR_MLIST_FILE',
          `cannot read a temporary file in ${this.#parts.folder}: it was truncated while it was in use`,
        );
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Closes and removes the file. Further calls do nothing. */
  release(): Promise<void> {
    this.#release ??= this.handle
      .close()
      .catch(() => undefined)
      .then(() => this.#parts.onRelease());
    return this.#release;
  }
}

/** Removes the old folders of killed processes. Skips the folders of other users. */
async function removeStaleFolders(parent: string): Promise<void> {
  const names = await listFolder(parent).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(PREFIX))) {
    const path = join(parent, name);
    const info = await lstat(path).catch(() => undefined);
    if (info?.isDirectory() !== true || info.uid !== (process.getuid?.() ?? info.uid)) continue;
    if (Date.now() - info.mtimeMs < STALE_MS) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

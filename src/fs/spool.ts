import { lstat, mkdtemp, open, rm, rmdir, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MlistError } from '../errors/errors.ts';
import { listFolder } from './atomic.ts';
import { writeFailure } from './file-errors.ts';
import { writeAt } from './write-at.ts';

export interface SpoolOptions {
  /** The folder for temporary files. Default: that of the system, `$TMPDIR`. */
  readonly folder?: string | undefined;
  /** Maximum size of all files together, in bytes. Default: the free space of the folder less 10 %. */
  readonly maxBytes?: number | undefined;
}

/** A range of a file, in bytes. `end` is exclusive. */
export interface SpoolRange {
  readonly start: number;
  readonly end: number;
}

const PREFIX = 'mlist-spool-';
const CHUNK = 256 * 1024;

/** Folders older than this were left by a process that was killed. */
const STALE_MS = 24 * 60 * 60 * 1000;

/**
 * Temporary files of one command. Each file is created in a private folder (mode 0700). File and folder are removed as
 * soon as the file is open, so nothing is left even if the process is killed. Windows cannot remove open files: there,
 * `release` and `close` remove them, and a later command removes those of killed processes.
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

  /** Counts bytes that are about to be stored. */
  async #reserve(bytes: number): Promise<void> {
    const limit = await this.#maxBytes();
    const needed = this.#usedBytes + bytes;
    if (needed > limit) {
      const reason = `at least ${needed} bytes are needed, more than the limit of ${limit}`;
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
  /** Counts bytes against the limit of the spool. */
  readonly reserve: (bytes: number) => Promise<void>;
  /** Reverses `reserve`. */
  readonly free: (bytes: number) => void;
  readonly onRelease: () => Promise<void>;
}

/** A temporary file to which bytes are appended. Ranges can be read at any time, even during an append. */
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

  /** Truncates the file to this size. */
  rewind(size: number): void {
    this.#parts.free(this.#size - size);
    this.#size = size;
  }

  /**
   * Appends all chunks.
   * @returns their range in the file
   */
  async appendAll(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<SpoolRange> {
    const start = this.#size;
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      await this.append(chunk);
    }
    return { start, end: this.#size };
  }

  /** Reads a range. Default: the whole file. */
  async *read(
    { start = 0, end = this.#size }: Partial<SpoolRange> = {},
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end;) {
      signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0)
        throw new MlistError('ERR_MLIST_FILE', `a temporary file in ${this.#parts.folder} is truncated`);
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

/** Removes old folders of killed processes. Those of other users cannot be removed, and are ignored. */
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

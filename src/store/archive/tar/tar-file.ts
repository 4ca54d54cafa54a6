import type { Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { asMlistError, MlistError } from '../../../errors/errors.ts';
import { openFiles } from '../../../fs/open-files.ts';
import type { ContentOptions } from '../../store.ts';
import type { NamedFile } from '../../layout/layout-header.ts';
import { isNotFound } from '../../../fs/file-errors.ts';
import { compressionOf, decompress, spoolInput, type OpenedFile, type SpoolingOptions } from '../decompress.ts';
import { indexTar, type IndexOptions, type TarIndex } from './tar-index.ts';

const CHUNK = 256 * 1024;

/**
 * If this many archives are open, further uncompressed ones are opened for each read instead of staying open. An
 * archive that stays open can be read even if its file is replaced.
 */
const MAX_OPEN_ARCHIVES = 64;
let openArchives = 0;

/**
 * A tar archive that is indexed once and then read by byte ranges. Its files can be read concurrently. Nothing is
 * unpacked, and memory use depends on the number of files, not on their sizes.
 */
export class TarFile {
  readonly path: string;
  /** Name of the archive in errors. */
  readonly name: string;
  /** Whether the whole archive is compressed. */
  readonly isCompressed: boolean;
  /** The open file; undefined if the archive is opened for each read. */
  readonly #opened: OpenedFile | undefined;
  readonly #index: TarIndex;
  readonly #version: string;
  #isClosed = false;

  private constructor({ path, name }: NamedFile, parts: TarFileParts) {
    this.path = path;
    this.name = name;
    this.isCompressed = parts.isCompressed;
    this.#opened = parts.opened;
    this.#index = parts.index;
    this.#version = parts.version;
  }

  /**
   * Opens an archive. A compressed archive is decompressed into the spool, and the content of a pipe is stored there.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the file does not exist; `ERR_MLIST_DOCUMENT_INVALID` if it is not a
   * complete tar archive; the errors of `decompress`
   */
  static async open(path: string, { signal, name = path, location, input, spool }: OpenOptions = {}): Promise<TarFile> {
    signal?.throwIfAborted();
    const file = { path, name };
    if (input !== undefined) {
      const source = location ?? 'stdin';
      return TarFile.#openInput({ path: source, name: source }, input(), { signal, spool });
    }
    const plain = await openPlain(file);
    try {
      const compression = await compressionOf(plain.handle);
      const version = versionOf(await plain.handle.stat());
      const opened = compression === undefined ? plain : await decompress(plain, compression, { spool, signal });
      const index = await indexOrRelease(opened, signal);
      const isCompressed = compression !== undefined;
      // A decompressed archive is a temporary file, which is removed when it is closed, so it must stay open.
      if (!isCompressed && openArchives >= MAX_OPEN_ARCHIVES) {
        await opened.release();
        return new TarFile(file, { index, version, isCompressed });
      }
      openArchives += 1;
      return new TarFile(file, { index, version, isCompressed, opened });
    } catch (error) {
      await plain.release();
      throw withFileName(file, error);
    }
  }

  static async #openInput(
    file: NamedFile,
    input: AsyncIterable<Uint8Array>,
    options: SpoolingOptions,
  ): Promise<TarFile> {
    try {
      const opened = await spoolInput(input, options);
      const index = await indexOrRelease(opened, options.signal, { requiresEnd: true });
      openArchives += 1;
      return new TarFile(file, { index, version: '', isCompressed: opened.isCompressed, opened });
    } catch (error) {
      throw withFileName(file, error);
    }
  }

  /** Returns the normalized names of all files. */
  names(): Iterable<string> {
    return this.#index.keys();
  }

  /** Returns the size of a file in bytes, or undefined if it does not exist. */
  size(name: string): number | undefined {
    return this.#index.get(name)?.size;
  }

  /** Streams a file, or its first bytes, without verification. The stream is empty if the file does not exist. */
  async *stream(name: string, { signal, first = Infinity }: StreamOptions = {}): AsyncGenerator<Uint8Array> {
    const entry = this.#index.get(name);
    if (entry === undefined) return;
    const end = entry.offset + Math.min(entry.size, first);
    const { handle, release } = await this.#acquire();
    try {
      for (let at = entry.offset; at < end;) {
        signal?.throwIfAborted();
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at).catch(fail);
        if (bytesRead === 0) throw invalidArchive(this, 'it was truncated while it was being read');
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await release();
    }
  }

  /**
   * Reads a whole file. Returns undefined if it does not exist.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it has more than `maxBytes` bytes
   */
  async bytes(name: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const size = this.size(name);
    if (size === undefined) return undefined;
    if (size > maxBytes) {
      throw invalidArchive(this, `its ${name} has ${size} bytes, more than the limit of ${maxBytes}`);
    }
    return openFiles.run(async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of this.stream(name, { signal })) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed || this.#opened === undefined) return;
    this.#isClosed = true;
    openArchives -= 1;
    await this.#opened.release();
  }

  /**
   * Returns the open file, or opens it again if it does not stay open.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the file has changed since it was indexed
   */
  async #acquire(): Promise<OpenedFile> {
    if (this.#opened !== undefined) return { handle: this.#opened.handle, release: () => Promise.resolve() };
    const reopened = await openPlain(this);
    if (versionOf(await reopened.handle.stat()) === this.#version) return reopened;
    await reopened.release();
    throw invalidArchive(this, 'it has changed since it was opened');
  }
}

interface TarFileParts {
  readonly index: TarIndex;
  readonly version: string;
  readonly isCompressed: boolean;
  readonly opened?: OpenedFile;
}

function versionOf({ dev, ino, size, mtimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs].join();
}

export interface OpenOptions extends SpoolingOptions {
  /** Name of the archive in errors. Default: its path. */
  readonly name?: string | undefined;
  /** Opens a pipe with an archive, such as stdin. The pipe is read instead of the file at the path. */
  readonly input?: (() => AsyncIterable<Uint8Array>) | undefined;
  /**
   * The location of the archive in errors. Default: `oci-archive:` or `docker-archive:` followed by `name`; in errors
   * about the tar file in a pipe, `stdin`.
   */
  readonly location?: string | undefined;
}

export interface StreamOptions extends ContentOptions {
  /** Maximum number of bytes to stream. Default: all. */
  readonly first?: number | undefined;
}

async function openPlain(file: NamedFile): Promise<OpenedFile> {
  const { path, name } = file;
  try {
    // Opening a named pipe would block until another process writes to it.
    if (!(await stat(path)).isFile()) throw invalidArchive(file, 'it is not a regular file');
    const handle = await open(path, 'r');
    return { handle, release: () => closeQuietly(handle) };
  } catch (error) {
    if (!isNotFound(error)) throw asMlistError(error);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no archive ${name}`, { path });
  }
}

async function closeQuietly(handle: FileHandle): Promise<void> {
  await handle.close().catch(() => undefined);
}

async function indexOrRelease(
  { handle, release }: OpenedFile,
  signal?: AbortSignal,
  options?: IndexOptions,
): Promise<TarIndex> {
  try {
    return await indexTar(handle, (await handle.stat()).size, { ...options, signal });
  } catch (error) {
    await release();
    throw error;
  }
}

/** Adds the name of the file to errors about its content. */
function withFileName(file: NamedFile, error: unknown): unknown {
  if (!(error instanceof MlistError)) return asMlistError(error);
  const isNamed = error.facts.path !== undefined || error.facts.reference !== undefined;
  const isAboutContent = error.code === 'ERR_MLIST_DOCUMENT_INVALID' || error.code === 'ERR_MLIST_USAGE';
  if (isNamed || !isAboutContent) return error;
  const { message, facts } = invalidArchive(file, error.message, error.hint);
  return new MlistError(error.code, message, facts);
}

export function invalidArchive({ path, name }: NamedFile, reason: string, hint?: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `cannot read the archive ${name}: ${reason}`, { path, hint });
}

function fail(error: unknown): never {
  throw asMlistError(error);
}

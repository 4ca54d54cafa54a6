import type { Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { asMlistError, MlistError } from '../../../errors/errors.ts';
import { openFiles } from '../../../fs/open-files.ts';
import type { ContentOptions } from '../../store.ts';
import type { NamedFile } from '../../layout/layout-header.ts';
import { isNotFound } from '../../layout/path-inside.ts';
import { compressionOf, decompressionHint, decompress, type OpenedFile } from '../decompress.ts';
import { indexTar, type TarIndex } from './tar-index.ts';

const CHUNK = 256 * 1024;

/** Archives that stay open, so that they are read as they were when they were opened. Others are opened for each read. */
const MOST_OPEN = 64;
let openArchives = 0;

/**
 * A tar archive whose files are read where they lie: it is indexed once, and then read by ranges, by many readers at once.
 * Nothing is unpacked, and memory does not grow with its size.
 */
export class TarFile {
  readonly path: string;
  /** What errors call it. */
  readonly name: string;
  /** Whether the file itself is compressed. */
  readonly isCompressed: boolean;
  /** Undefined where the archive is opened for each read. */
  readonly #opened: OpenedFile | undefined;
  readonly #index: TarIndex;
  readonly #version: string;
  #isClosed = false;

  private constructor({ path, name }: NamedFile, parts: Indexed) {
    this.path = path;
    this.name = name;
    this.isCompressed = parts.isCompressed;
    this.#opened = parts.opened;
    this.#index = parts.index;
    this.#version = parts.version;
  }

  /**
   * Opens an archive; one that is compressed with gzip is inflated beside the system's temporary files first.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_DOCUMENT_INVALID` for what is no whole tar archive
   */
  static async open(path: string, { signal, name = path }: OpenOptions = {}): Promise<TarFile> {
    signal?.throwIfAborted();
    const file = { path, name };
    const plain = await openPlain(file);
    try {
      const compression = await compressionOf(plain.handle);
      if (compression !== undefined && compression !== 'gzip') {
        throw invalidArchive(file, `it is compressed with ${compression}`, decompressionHint(name, compression));
      }
      const version = versionOf(await plain.handle.stat());
      const opened = compression === undefined ? plain : await decompress(plain, signal);
      const index = await indexed(opened, signal);
      const isCompressed = compression !== undefined;
      // An inflated file has no name any more, so it cannot be opened again.
      if (!isCompressed && openArchives >= MOST_OPEN) {
        await opened.release();
        return new TarFile(file, { index, version, isCompressed });
      }
      openArchives += 1;
      return new TarFile(file, { index, version, isCompressed, opened });
    } catch (error) {
      await plain.release();
      throw named(file, error);
    }
  }

  /** The names of its files, without `./` in front. */
  names(): Iterable<string> {
    return this.#index.keys();
  }

  size(name: string): number | undefined {
    return this.#index.get(name)?.size;
  }

  /** The bytes of a file, or its first ones; not verified. There are none where there is no such file. */
  async *stream(name: string, { signal, first = Infinity }: StreamOptions = {}): AsyncGenerator<Uint8Array> {
    const entry = this.#index.get(name);
    if (entry === undefined) return;
    const end = entry.offset + Math.min(entry.size, first);
    const { handle, release } = await this.#reading();
    try {
      for (let at = entry.offset; at < end;) {
        signal?.throwIfAborted();
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at).catch(fail);
        if (bytesRead === 0) throw invalidArchive(this, 'it has become shorter while it was read');
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await release();
    }
  }

  /**
   * A small file, whole; undefined where there is none.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where it is longer than `most` bytes
   */
  async bytes(name: string, most: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const size = this.size(name);
    if (size === undefined) return undefined;
    if (size > most) throw invalidArchive(this, `its ${name} has ${size} bytes, more than the ${most} that are read`);
    return openFiles.run(async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of this.stream(name, { signal })) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  /** Closes the file, and removes what was inflated of it. */
  async close(): Promise<void> {
    if (this.#isClosed || this.#opened === undefined) return;
    this.#isClosed = true;
    openArchives -= 1;
    await this.#opened.release();
  }

  /** An archive that is opened again must be the one that was indexed. */
  async #reading(): Promise<OpenedFile> {
    if (this.#opened !== undefined) return { handle: this.#opened.handle, release: () => Promise.resolve() };
    const again = await openPlain(this);
    if (versionOf(await again.handle.stat()) === this.#version) return again;
    await again.release();
    throw invalidArchive(this, 'it was changed while it was read');
  }
}

/** What is known of an archive once it was opened. */
interface Indexed {
  readonly index: TarIndex;
  readonly version: string;
  readonly isCompressed: boolean;
  readonly opened?: OpenedFile;
}

function versionOf({ dev, ino, size, mtimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs].join();
}

export interface OpenOptions extends ContentOptions {
  /** What errors call the archive. Default: by its path. */
  readonly name?: string | undefined;
}

export interface StreamOptions extends ContentOptions {
  /** Only so many bytes from the beginning. Default: all. */
  readonly first?: number | undefined;
}

async function openPlain(file: NamedFile): Promise<OpenedFile> {
  const { path, name } = file;
  try {
    // A pipe or a device would keep whoever opens it waiting.
    if (!(await stat(path)).isFile()) throw invalidArchive(file, 'it is no file');
    const handle = await open(path, 'r');
    return { handle, release: () => closed(handle) };
  } catch (error) {
    if (!isNotFound(error)) throw asMlistError(error);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no archive ${name}`, { path });
  }
}

async function closed(handle: FileHandle): Promise<void> {
  await handle.close().catch(() => undefined);
}

async function indexed({ handle, release }: OpenedFile, signal?: AbortSignal): Promise<TarIndex> {
  try {
    return await indexTar(handle, (await handle.stat()).size, signal);
  } catch (error) {
    await release();
    throw error;
  }
}

/** Says of what the reader of headers found which file it is in. */
function named(file: NamedFile, error: unknown): unknown {
  if (!(error instanceof MlistError) || error.code !== 'ERR_MLIST_DOCUMENT_INVALID' || error.facts.path === file.path) {
    return error instanceof MlistError ? error : asMlistError(error);
  }
  return invalidArchive(file, error.message);
}

export function invalidArchive({ path, name }: NamedFile, reason: string, hint?: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `the archive ${name} is refused: ${reason}`, { path, hint });
}

function fail(error: unknown): never {
  throw asMlistError(error);
}

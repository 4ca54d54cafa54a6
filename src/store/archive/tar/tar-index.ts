import type { FileHandle } from 'node:fs/promises';
import type { MlistError } from '../../../errors/errors.ts';
import type { ContentOptions } from '../../store.ts';
import { readPax, type PaxRecords } from './pax.ts';
import { BLOCK_BYTES, isZeroBlock, readHeader, readText, invalidHeader, type TarHeader } from './tar-header.ts';
import { linkedName, normalizeName, displayName } from './tar-names.ts';

/** Position of a file's content in the archive, in bytes. */
export interface TarEntry {
  readonly offset: number;
  readonly size: number;
}

/** The files of an archive by normalized name. Links have the position of their target. */
export type TarIndex = ReadonlyMap<string, TarEntry>;

/** Limit for the number of files: ten times as many as a list of 4 MiB can refer to. */
const MAX_ENTRIES = 200_000;

/** Limit for the content of an extension header. */
const MAX_EXTENSION_BYTES = 1024 * 1024;

/** Limit for links that point to links. */
const MAX_HOPS = 16;

/** Size of one read. The headers of small files are close together, so one read returns several. */
const WINDOW_BYTES = 16 * 1024;

export interface IndexOptions extends ContentOptions {
  /**
   * Whether to refuse an archive that lacks the blocks of zeros at its end, because a pipe may have been closed early.
   * Default false.
   */
  readonly requiresEnd?: boolean | undefined;
}

/** Values of extension headers for the next entry. */
interface Pending {
  readonly name?: string;
  readonly link?: string;
  readonly pax?: PaxRecords;
}

/**
 * Indexes the files of an archive. Only headers are read, so the time depends on the number of entries, and the memory
 * on their names.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the archive is damaged, truncated or malicious
 */
export async function indexTar(
  file: FileHandle,
  length: number,
  { requiresEnd = false, signal }: IndexOptions = {},
): Promise<TarIndex> {
  const blocks = new Blocks(file, length);
  const entries = new Entries();
  let pending: Pending = {};
  let at = 0;
  for (; at < length; at += BLOCK_BYTES) {
    signal?.throwIfAborted();
    const block = await blocks.read(at);
    if (isZeroBlock(block)) {
      if (at + BLOCK_BYTES >= length || isZeroBlock(await blocks.read(at + BLOCK_BYTES))) break;
      continue;
    }
    const header = readHeader(block);
    const size = sizeOf(header, pending);
    const start = at + BLOCK_BYTES;
    if (start + size > length) throw truncated(displayName(header.name));
    const extension = isExtension(header) ? await blocks.extension(header, start) : undefined;
    if (extension === undefined) {
      entries.add(header, pending, { offset: start, size });
      pending = {};
    } else {
      pending = { ...pending, ...extension };
    }
    at += Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  if (requiresEnd && at >= length) throw truncated('the end of the archive');
  if (Object.keys(pending).length > 0) throw invalidHeader('it ends after an extension header');
  return entries.resolved();
}

function sizeOf(header: TarHeader, { pax }: Pending): number {
  const size = isExtension(header) ? header.size : (pax?.size ?? header.size);
  if (size !== 0 && ['folder', 'symlink', 'hardlink', 'label'].includes(header.type)) {
    throw invalidHeader(`${displayName(header.name)} is a ${header.type} and states a size of ${size} bytes`);
  }
  return size;
}

function isExtension({ type }: TarHeader): boolean {
  return type === 'pax' || type === 'global' || type === 'longName' || type === 'longLink';
}

/** Collects the entries. Duplicate names are refused, because tools disagree about which of the entries is valid. */
class Entries {
  readonly #files = new Map<string, TarEntry>();
  readonly #links = new Map<string, string>();
  readonly #folders = new Set<string>();

  add(header: TarHeader, { name: longName, link: longLink, pax }: Pending, entry: TarEntry): void {
    const name = normalizeName(pax?.path ?? longName ?? header.name);
    const link = pax?.linkpath ?? longLink ?? header.link;
    const { type } = header;
    if (type === 'label') return;
    if (type === 'folder' || name === '') return this.#addFolder(name);
    const isTaken = this.#files.has(name) || this.#links.has(name) || this.#folders.has(name);
    if (isTaken) throw invalidHeader(`${displayName(name)} occurs twice`);
    if (this.#files.size + this.#links.size >= MAX_ENTRIES)
      throw invalidHeader(`it contains more than ${MAX_ENTRIES} files`);
    if (type === 'symlink' || type === 'hardlink') this.#links.set(name, linkedName(name, link, type));
    else this.#files.set(name, entry);
  }

  #addFolder(name: string): void {
    if (this.#files.has(name) || this.#links.has(name)) throw invalidHeader(`${displayName(name)} occurs twice`);
    if (this.#folders.size >= MAX_ENTRIES) throw invalidHeader(`it contains more than ${MAX_ENTRIES} folders`);
    this.#folders.add(name);
  }

  /** The index with all links resolved. Links whose target does not exist are skipped. */
  resolved(): TarIndex {
    const all = new Map(this.#files);
    for (const [name, first] of this.#links) {
      let target = first;
      let hops = 0;
      for (; this.#links.has(target) && hops < MAX_HOPS; hops += 1) target = this.#links.get(target) ?? target;
      if (hops === MAX_HOPS) throw invalidHeader(`the link ${displayName(name)} is part of a loop`);
      const entry = this.#files.get(target);
      if (entry !== undefined) all.set(name, entry);
    }
    return all;
  }
}

/** Reads blocks of the file through a buffer. */
class Blocks {
  readonly #file: FileHandle;
  readonly #length: number;
  readonly #buffer = Buffer.allocUnsafe(WINDOW_BYTES);
  #start = 0;
  #end = 0;

  constructor(file: FileHandle, length: number) {
    this.#file = file;
    this.#length = length;
  }

  async read(at: number): Promise<Uint8Array> {
    if (at < this.#start || at + BLOCK_BYTES > this.#end) {
      this.#start = at;
      this.#end = at + (await fill(this.#file, this.#buffer, at));
    }
    if (at + BLOCK_BYTES > this.#end) throw truncated(`the header at byte ${at}`);
    return this.#buffer.subarray(at - this.#start, at - this.#start + BLOCK_BYTES);
  }

  /** Reads the content of an extension header. */
  async extension({ type, size }: TarHeader, start: number): Promise<Pending> {
    if (size > MAX_EXTENSION_BYTES)
      throw invalidHeader(`an extension header has ${size} bytes, more than the limit of ${MAX_EXTENSION_BYTES}`);
    const bytes = Buffer.alloc(size);
    if (start + size > this.#length || (await fill(this.#file, bytes, start)) < size)
      throw truncated('an extension header');
    if (type === 'longName') return { name: readText(bytes) };
    if (type === 'longLink') return { link: readText(bytes) };
    const pax = readPax(bytes);
    if (type === 'pax') return { pax };
    if (Object.keys(pax).length > 0) throw invalidHeader('a global header sets the same name or size for all files');
    return {};
  }
}

/**
 * Fills the buffer from this position of the file. Returns the number of bytes, which is less than the buffer holds
 * only at the end of the file.
 */
async function fill(file: FileHandle, buffer: Buffer, at: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function truncated(where: string): MlistError {
  return invalidHeader(`it is truncated, in ${where}`);
}

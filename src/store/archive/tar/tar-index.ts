import type { FileHandle } from 'node:fs/promises';
import type { MlistError } from '../../../errors/errors.ts';
import { readPax, type PaxRecords } from './pax.ts';
import { BLOCK_BYTES, isZeroBlock, readHeader, readText, invalidHeader, type TarHeader } from './tar-header.ts';
import { linkedName, normalizeName, displayName } from './tar-names.ts';

/** Where the content of a file lies in the archive. */
export interface TarEntry {
  readonly offset: number;
  readonly size: number;
}

/** The files of an archive by their plain names; links stand for what they lead to. */
export type TarIndex = ReadonlyMap<string, TarEntry>;

/** More names than this are no image: a list of 4 MiB needs a tenth. */
const MAX_ENTRIES = 200_000;

/** Longest content of a header that only describes the next one. */
const MAX_EXTENSION = 1024 * 1024;

/** Links may lead to links. */
const MAX_HOPS = 16;

/** Read at once: headers of small files lie close together. */
const WINDOW = 16 * 1024;

/** What extension headers said of the entry that comes next. */
interface Pending {
  readonly name?: string;
  readonly link?: string;
  readonly pax?: PaxRecords;
}

/**
 * Finds all files of an archive by their headers alone; contents are skipped, so that the time goes by the number of
 * entries and the memory by their names.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` for what is damaged, cut short, or was made to hurt
 */
export async function indexTar(file: FileHandle, length: number, signal?: AbortSignal): Promise<TarIndex> {
  const blocks = new Blocks(file, length);
  const found = new Entries();
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
    if (start + size > length) throw cut(displayName(header.name));
    const extension = isExtension(header) ? await blocks.extension(header, start) : undefined;
    if (extension === undefined) {
      found.add(header, pending, { offset: start, size });
      pending = {};
    } else {
      pending = { ...pending, ...extension };
    }
    at += Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  if (Object.keys(pending).length > 0) throw invalidHeader('it ends behind a header that describes another');
  return found.resolved();
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

/** The entries as they come. A name twice would mean one thing to one reader and another to the next. */
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
    if (isTaken) throw invalidHeader(`${displayName(name)} is in it twice`);
    if (this.#files.size + this.#links.size >= MAX_ENTRIES)
      throw invalidHeader(`it holds more than ${MAX_ENTRIES} files`);
    if (type === 'symlink' || type === 'hardlink') this.#links.set(name, linkedName(name, link, type));
    else this.#files.set(name, entry);
  }

  #addFolder(name: string): void {
    if (this.#files.has(name) || this.#links.has(name)) throw invalidHeader(`${displayName(name)} is in it twice`);
    if (this.#folders.size >= MAX_ENTRIES) throw invalidHeader(`it holds more than ${MAX_ENTRIES} folders`);
    this.#folders.add(name);
  }

  /** The files, and under the name of each link what it leads to; a link that leads to no file is left out. */
  resolved(): TarIndex {
    const all = new Map(this.#files);
    for (const [name, first] of this.#links) {
      let target = first;
      let hops = 0;
      for (; this.#links.has(target) && hops < MAX_HOPS; hops += 1) target = this.#links.get(target) ?? target;
      if (hops === MAX_HOPS) throw invalidHeader(`the link ${displayName(name)} leads in circles`);
      const entry = this.#files.get(target);
      if (entry !== undefined) all.set(name, entry);
    }
    return all;
  }
}

/** Reads blocks of the file, several at once. */
class Blocks {
  readonly #file: FileHandle;
  readonly #length: number;
  readonly #buffer = Buffer.allocUnsafe(WINDOW);
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
    if (at + BLOCK_BYTES > this.#end) throw cut(`the header at byte ${at}`);
    return this.#buffer.subarray(at - this.#start, at - this.#start + BLOCK_BYTES);
  }

  /** What a header that stands for another says of it. */
  async extension({ type, size }: TarHeader, start: number): Promise<Pending> {
    if (size > MAX_EXTENSION) throw invalidHeader(`a header in it is ${size} bytes long, more than ${MAX_EXTENSION}`);
    const bytes = Buffer.alloc(size);
    if (start + size > this.#length || (await fill(this.#file, bytes, start)) < size) throw cut('a header');
    if (type === 'longName') return { name: readText(bytes) };
    if (type === 'longLink') return { link: readText(bytes) };
    const pax = readPax(bytes);
    if (type === 'pax') return { pax };
    if (Object.keys(pax).length > 0) throw invalidHeader('a header in it gives all files one name or one size');
    return {};
  }
}

/** Fills the buffer from the place on, as far as the file goes; tells how far. */
async function fill(file: FileHandle, buffer: Buffer, at: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function cut(where: string): MlistError {
  return invalidHeader(`it is cut short, within ${where}`);
}

import type { FileHandle } from 'node:fs/promises';
import type { MlistError } from '../../../errors/errors.ts';
import type { ContentOptions } from '../../store.ts';
import { readPax, type PaxRecords } from './pax.ts';
import {
  BLOCK_BYTES,
  invalidHeader,
  isZeroBlock,
  readHeader,
  readText,
  type TarHeader,
  type TarType,
} from './tar-header.ts';
import { linkedName, normalizeName, displayName } from './tar-names.ts';

/** Position of a file's content in the archive, in bytes. */
export interface TarEntry {
  readonly offset: number;
  readonly size: number;
}

/** The files of an archive, keyed by normalized name. Links have the position of their target. */
export type TarIndex = ReadonlyMap<string, TarEntry>;

/** Maximum number of files in an archive: ten times as many as a list of 4 MiB can refer to. */
const MAX_ENTRIES = 200_000;

/** Maximum size of the content of an extension header, in bytes. */
const MAX_EXTENSION_BYTES = 1024 * 1024;

/** A link that leads through this many other links is refused. */
const MAX_HOPS = 16;

/** Number of bytes per read. The headers of small files are close together, so one read returns several. */
const WINDOW_BYTES = 16 * 1024;

export interface IndexOptions extends ContentOptions {
  /**
   * Whether to refuse an archive that lacks the blocks of zeros at its end, because a pipe may have been closed early.
   * Default false.
   */
  readonly requiresEnd?: boolean | undefined;
}

/** The values that extension headers set for the next entry. */
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
    if (start + size > length) throw truncated(`${displayName(header.name)} is incomplete`);
    const extension = isExtension(header) ? await blocks.extension(header, start) : undefined;
    if (extension === undefined) {
      entries.add(header, pending, { offset: start, size });
      pending = {};
    } else {
      pending = { ...pending, ...extension };
    }
    at += Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  if (requiresEnd && at >= length) throw truncated('the blocks of zeros at its end are missing');
  if (Object.keys(pending).length > 0) throw invalidHeader('it ends after an extension header');
  return entries.resolved();
}

/** Entry types that must not have content, and how error messages describe them. */
const withoutContent: Readonly<Partial<Record<TarType, string>>> = {
  folder: 'folder',
  symlink: 'symbolic link',
  hardlink: 'hard link',
  label: 'volume label',
};

function sizeOf(header: TarHeader, { pax }: Pending): number {
  const size = isExtension(header) ? header.size : (pax?.size ?? header.size);
  const kind = withoutContent[header.type];
  if (size !== 0 && kind !== undefined) {
    throw invalidHeader(`${displayName(header.name)} is a ${kind}, but its header states a size of ${size} bytes`);
  }
  return size;
}

function isExtension({ type }: TarHeader): boolean {
  return type === 'pax' || type === 'global' || type === 'longName' || type === 'longLink';
}

/**
 * Collects the entries. Only folders may occur twice, because tools disagree about which of two entries with the same
 * name takes effect.
 */
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

  /** Returns the index with all links resolved. Links that do not lead to a file are left out. */
  resolved(): TarIndex {
    const all = new Map(this.#files);
    for (const [name, first] of this.#links) {
      let target = first;
      let hops = 0;
      for (; this.#links.has(target) && hops < MAX_HOPS; hops += 1) target = this.#links.get(target) ?? target;
      if (hops === MAX_HOPS)
        throw invalidHeader(`the link ${displayName(name)} leads through ${MAX_HOPS} or more links`);
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
    if (at + BLOCK_BYTES > this.#end) throw truncated(`the header at byte ${at} is incomplete`);
    return this.#buffer.subarray(at - this.#start, at - this.#start + BLOCK_BYTES);
  }

  /** Reads the values in an extension header. */
  async extension({ type, size }: TarHeader, start: number): Promise<Pending> {
    if (size > MAX_EXTENSION_BYTES)
      throw invalidHeader(`an extension header has ${size} bytes, more than the limit of ${MAX_EXTENSION_BYTES}`);
    const bytes = Buffer.alloc(size);
    if (start + size > this.#length || (await fill(this.#file, bytes, start)) < size)
      throw truncated('an extension header is incomplete');
    if (type === 'longName') return { name: readText(bytes) };
    if (type === 'longLink') return { link: readText(bytes) };
    const pax = readPax(bytes);
    if (type === 'pax') return { pax };
    if (Object.keys(pax).length > 0)
      throw invalidHeader(
        'a global pax header sets the path, link target or size of all files, which is not supported',
      );
    return {};
  }
}

/** Reads from this position of the file until the buffer is full or the file ends. Returns the number of bytes read. */
async function fill(file: FileHandle, buffer: Buffer, at: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function truncated(fault: string): MlistError {
  return invalidHeader(`it is truncated: ${fault}`);
}

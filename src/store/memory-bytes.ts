import { digestAlgorithm, Digester, isVerifiable, type Digest } from '../oci/digest.ts';
import type { ContentOptions } from './store.ts';
import { cancelledUpload, contentMismatch, unsupportedAlgorithm, type BlobIdentity } from './verify.ts';

/** Counts the memory that stores hold, so that it can be limited. */
export interface MemoryAccount {
  /** Counts bytes before a store holds them. Throws if the limit would be exceeded. */
  reserve(bytes: number): void;
  /** Reverses `reserve`. */
  release(bytes: number): void;
}

export const unlimitedMemory: MemoryAccount = { reserve: () => undefined, release: () => undefined };

const MIN_BLOCK = 4 * 1024;
const MAX_BLOCK = 4 * 1024 * 1024;
/** Minimum size of a chunk that is kept as a block. Smaller chunks are copied into a common block. */
const MIN_KEPT = 16 * 1024;

/**
 * The bytes of a blob in memory. They are stored in blocks of growing size: many small chunks would each need
 * additional memory, and one large buffer would have to be copied to grow. In a large blob, at most an eighth of the
 * memory is unused.
 */
export class MemoryBytes {
  readonly #account: MemoryAccount;
  #blocks: Buffer[] = [];
  #size = 0;
  #capacity = 0;
  /** Number of bytes that were copied into blocks since the last chunk that became a block. */
  #copied = 0;
  #holders = 1;

  constructor(account: MemoryAccount) {
    this.#account = account;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Appends a chunk that never changes afterwards. A large chunk that fills its `ArrayBuffer` is kept without a copy:
   * copies would double the memory of an upload until the garbage collector frees the originals.
   */
  appendOwned(chunk: Uint8Array): void {
    if (chunk.length < MIN_KEPT || chunk.length !== chunk.buffer.byteLength) {
      this.append(chunk);
      return;
    }
    this.#account.reserve(chunk.length);
    this.trim();
    this.#blocks.push(Buffer.from(chunk.buffer));
    this.#size += chunk.length;
    this.#capacity += chunk.length;
    this.#copied = 0;
  }

  /** Appends a copy of the chunk. */
  append(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#capacity === this.#size) this.#grow(chunk.length - at);
      const block = this.#blocks.at(-1) ?? Buffer.alloc(0);
      const free = this.#capacity - this.#size;
      const part = chunk.subarray(at, at + free);
      block.set(part, block.length - free);
      this.#size += part.length;
      this.#copied += part.length;
      at += part.length;
    }
  }

  /** Frees the unused part of the last block. The next `append` begins a new block. */
  trim(): void {
    const free = this.#capacity - this.#size;
    const last = free === 0 ? undefined : this.#blocks.pop();
    if (last === undefined) return;
    const exact = Buffer.allocUnsafeSlow(last.length - free);
    last.copy(exact);
    this.#blocks.push(exact);
    this.#account.release(free);
    this.#capacity = this.#size;
  }

  /**
   * Yields the bytes from `start` to `end` (exclusive), block by block. A read that has begun is not affected by
   * `release`.
   */
  *read(start = 0, end = this.#size): Generator<Uint8Array> {
    const [blocks, size] = [this.#blocks, this.#size];
    let offset = 0;
    for (const block of blocks) {
      const next = Math.min(offset + block.length, size);
      if (next > start && offset < end) yield block.subarray(Math.max(0, start - offset), Math.min(next, end) - offset);
      offset = next;
    }
  }

  /** Adds a holder. The bytes are freed when all holders have released them. */
  share(): this {
    this.#holders += 1;
    return this;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#account.release(this.#capacity);
    this.#blocks = [];
    this.#size = this.#capacity = this.#copied = 0;
  }

  #grow(needed: number): void {
    const length = Math.min(MAX_BLOCK, Math.max(MIN_BLOCK, needed, Math.floor(this.#copied / 8)));
    this.#account.reserve(length);
    this.#blocks.push(Buffer.allocUnsafeSlow(length));
    this.#capacity += length;
  }
}

/** A blob that is being uploaded. */
export class StagedMemoryBlob {
  readonly #account: MemoryAccount;
  readonly #store: (digest: Digest, bytes: MemoryBytes) => void;
  readonly #digester = new Digester();
  readonly #ownsChunks: boolean;
  #isDiscarded = false;
  /** The received bytes; undefined before the first chunk, and after the blob was stored or discarded. */
  #bytes: MemoryBytes | undefined;

  /**
   * @param store - stores the bytes under the digest, and takes ownership of them
   * @param ownsChunks - whether appended chunks never change afterwards, and can be kept without a copy
   */
  constructor(account: MemoryAccount, store: (digest: Digest, bytes: MemoryBytes) => void, ownsChunks: boolean) {
    this.#account = account;
    this.#store = store;
    this.#ownsChunks = ownsChunks;
  }

  /** Number of bytes that were received so far. */
  get size(): number {
    return this.#bytes?.size ?? 0;
  }

  /**
   * Appends bytes. If the source fails, the bytes received before the failure are kept. If `expected` is set, fails if
   * there are more bytes than its size.
   */
  async append(
    chunks: AsyncIterable<Uint8Array>,
    { signal, expected }: ContentOptions & { readonly expected?: BlobIdentity | undefined } = {},
  ): Promise<void> {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      if (this.#isDiscarded) throw cancelledUpload();
      if (expected !== undefined && this.size + chunk.length > expected.size)
        throw contentMismatch(`${expected.digest} has ${expected.size} bytes, but more were received`);
      const bytes = (this.#bytes ??= new MemoryBytes(this.#account));
      if (this.#ownsChunks) bytes.appendOwned(chunk);
      else bytes.append(chunk);
      this.#digester.update(chunk);
    }
  }

  /**
   * Yields the received bytes, beginning at `start`. The caller must finish reading before the blob is stored or
   * discarded.
   */
  async *read(start: number): AsyncGenerator<Uint8Array> {
    yield* await Promise.resolve(this.#bytes?.read(start) ?? []);
  }

  /**
   * Verifies the digest and stores the blob.
   * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the bytes have another digest; nothing is stored then
   */
  async commit(digest: Digest): Promise<void> {
    if (this.#isDiscarded) throw cancelledUpload();
    const bytes = this.#bytes ?? new MemoryBytes(this.#account);
    this.#bytes = undefined;
    await Promise.resolve();
    try {
      if (!isVerifiable(digest)) throw unsupportedAlgorithm(digest);
      if (this.#digestOf(bytes, digestAlgorithm(digest)) !== digest)
        throw contentMismatch(`the received bytes do not match the digest ${digest}`);
      bytes.trim();
      this.#store(digest, bytes);
    } catch (thrown) {
      bytes.release();
      throw thrown;
    }
  }

  discard(): Promise<void> {
    this.#isDiscarded = true;
    this.#bytes?.release();
    this.#bytes = undefined;
    return Promise.resolve();
  }

  #digestOf(bytes: MemoryBytes, algorithm: string): Digest {
    if (algorithm === 'sha256') return this.#digester.digest();
    const digester = new Digester(algorithm);
    for (const block of bytes.read()) digester.update(block);
    return digester.digest();
  }
}

import type { IncomingMessage } from 'node:http';
import type { OnReadOpts, Socket } from 'node:net';
import { connectionClosed } from './connect.ts';

/** Shorter bodies are read through the HTTP parser, because their connection can then be reused. */
const MIN_BODY_BYTES = 1024 * 1024;

/** The maximum plaintext length of a TLS record, in bytes. A block with less free space is treated as full. */
const RECORD_BYTES = 16 * 1024;

/** The size of a block of memory. If bytes arrive faster than they are consumed, each chunk has about this size. */
const MEMORY_BYTES = 256 * 1024;

/** The size of a block for a body of less than `MIN_LARGE_BYTES`, or while more than `MANY_BODIES` bodies are read. */
const SMALL_MEMORY_BYTES = 32 * 1024;
const MANY_BODIES = 8;

/** A body of at least this many bytes is large. */
const MIN_LARGE_BYTES = 4 * 1024 * 1024;

/** The connection is paused while there are at least this many unread chunks. */
const MAX_WAITING = 2;

/** Maximum total size of the released blocks of one size that are kept for reuse by any connection. */
const MAX_FREE_BYTES = 8 * 1024 * 1024;

/** Node stores the bytes for the HTTP parser of any connection here. `received` copies them before Node reads again. */
const parsed = Buffer.allocUnsafeSlow(RECORD_BYTES);

const buffers = new WeakMap<Socket, ReceiveBuffer>();
const users = new WeakMap<Uint8Array, () => void>();

/**
 * Creates a connection with a receive buffer.
 * @param create - passes `onread` to `net.connect`, or to `tls.connect` without a `socket`: Node ignores `onread` if a
 * `socket` is given
 */
export function withReceiveBuffer<S extends Socket>(create: (onread: OnReadOpts) => S): S {
  const opened: { buffer?: ReceiveBuffer } = {};
  const socket = create({
    buffer: () => opened.buffer?.space() ?? parsed,
    callback: (length) => opened.buffer?.received(length) ?? true,
  });
  opened.buffer = new ReceiveBuffer(socket);
  buffers.set(socket, opened.buffer);
  return socket;
}

/**
 * Reads the body of a response to GET from the receive buffer of its connection. Must be called synchronously by the
 * listener of the `response` event. The connection cannot be reused, so the caller must destroy the response even
 * after reading the whole body.
 * @returns undefined if the body has to be read through the HTTP parser, for example because it is short or its length
 * is unknown
 */
export function takeBody(response: IncomingMessage): AsyncIterable<Uint8Array> | undefined {
  const { statusCode, headers, socket } = response;
  if (statusCode !== 200 && statusCode !== 206) return undefined;
  const length = headers['content-length'] ?? '';
  if (!/^\d{7,15}$/.test(length) || Number(length) < MIN_BODY_BYTES) return undefined;
  if (headers['transfer-encoding'] !== undefined) return undefined;
  // Bytes that the stream already holds have to go through the HTTP parser.
  return socket.readableLength > 0 ? undefined : buffers.get(socket)?.takeBody(response, Number(length));
}

/**
 * Allows the memory of a chunk to be reused. Only the last reader of the chunk may call this. Chunks that are not from
 * a receive buffer are ignored.
 */
export function releaseChunk(chunk: Uint8Array): void {
  users.get(chunk)?.();
  users.delete(chunk);
}

/** A block of memory that is filled at most once and divided into chunks. */
class Memory {
  readonly #bytes: Buffer;
  /** The bytes between these offsets have been received, but not yet returned as a chunk. */
  #start = 0;
  #end = 0;
  /** Number of chunks that were returned and are not released yet. */
  #used = 0;
  /** Whether no more bytes will be received. */
  #isEnded = false;
  readonly #onFree: (bytes: Buffer) => void;

  /** @param onFree - called when no more bytes can be added, and all chunks have been taken and released */
  constructor(bytes: Buffer, onFree: (bytes: Buffer) => void) {
    this.#bytes = bytes;
    this.#onFree = onFree;
  }

  get space(): Uint8Array {
    return this.#bytes.subarray(this.#end);
  }

  get isFull(): boolean {
    return this.#bytes.length - this.#end < RECORD_BYTES;
  }

  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  add(length: number): void {
    this.#end += length;
  }

  take(): Uint8Array {
    const chunk = this.#bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#used += 1;
    users.set(chunk, () => this.#release());
    return chunk;
  }

  /**
   * Marks the memory as complete. Must not be called before the connection is closed, because Node may write into the
   * memory until then.
   */
  end(): void {
    this.#isEnded = true;
    this.#freeIfUnused();
  }

  #release(): void {
    this.#used -= 1;
    this.#freeIfUnused();
  }

  #freeIfUnused(): void {
    if (this.#used === 0 && this.isEmpty && (this.isFull || this.#isEnded)) this.#onFree(this.#bytes);
  }
}

/** Released buffers of one length that are kept for reuse, up to `MAX_FREE_BYTES`. */
class FreeBuffers {
  readonly #length: number;
  readonly #buffers: Buffer[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  take(): Buffer {
    return this.#buffers.pop() ?? Buffer.allocUnsafeSlow(this.#length);
  }

  add(buffer: Buffer): void {
    if ((this.#buffers.length + 1) * this.#length <= MAX_FREE_BYTES) this.#buffers.push(buffer);
  }
}

const largeBuffers = new FreeBuffers(MEMORY_BYTES);
const smallBuffers = new FreeBuffers(SMALL_MEMORY_BYTES);

/**
 * Receives the bytes of a connection. For each TLS record, the streams and the HTTP parser of Node allocate two
 * buffers. This takes as much CPU time as the encryption (docs/decisions/0092-receive-buffer.md). Therefore only the
 * headers of a large response go through them, and its body is read from this buffer.
 */
class ReceiveBuffer {
  /** Number of bodies that are being read. */
  static #bodies = 0;
  readonly #socket: Socket;
  /** Whether the body has at least `MIN_LARGE_BYTES`. */
  #isLarge = false;
  /** The block that is being filled; undefined as long as all bytes are passed to the HTTP parser. */
  #memory: Memory | undefined;
  /** Whether Node stores the next bytes in the buffer for the HTTP parser. */
  #isParsed = true;
  readonly #waiting: Uint8Array[] = [];
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Returns the memory for the next bytes that Node receives. */
  space(): Uint8Array {
    this.#isParsed = this.#memory === undefined;
    return this.#memory?.space ?? parsed;
  }

  /**
   * Handles bytes that Node has stored in `space`.
   * @returns whether Node should continue to read from the connection. If false, Node still delivers the TLS records
   * that it has already read
   */
  received(length: number): boolean {
    const memory = this.#memory;
    if (memory === undefined) return this.#socket.push(Buffer.from(parsed.subarray(0, length)));
    // If a server responds before the request is sent, its headers are parsed outside this callback. Node then stores
    // the next bytes in the buffer for the parser, because it has already called `space`.
    if (this.#isParsed) memory.space.set(parsed.subarray(0, length));
    memory.add(length);
    if (memory.isFull) {
      this.#waiting.push(memory.take());
      this.#memory = this.#nextMemory();
    }
    // The reader is woken later unless a chunk is waiting, so that records that are received together become one chunk.
    if (this.#waiting.length > 0) this.#wake?.();
    else this.#wakeLater();
    return this.#waiting.length < MAX_WAITING;
  }

  takeBody(response: IncomingMessage, length: number): AsyncIterable<Uint8Array> {
    this.#isLarge = length >= MIN_LARGE_BYTES;
    this.#memory = this.#nextMemory();
    this.#socket.once('close', () => this.#memory?.end());
    const fail = (error: Error) => {
      this.#failure ??= error;
      this.#wake?.();
    };
    response.once('error', fail);
    response.once('close', () => fail(connectionClosed()));
    return this.#body(response, length);
  }

  async *#body(response: IncomingMessage, length: number): AsyncGenerator<Uint8Array> {
    let remaining = length;
    ReceiveBuffer.#bodies += 1;
    try {
      // The first bytes of the body may have arrived together with the headers.
      const first = response.read() as Buffer | null;
      if (first !== null) {
        remaining -= first.length;
        yield first;
      }
      // The HTTP parser has paused the connection only if these bytes exceeded its limit. Pause it in any case, until
      // `#next` resumes it.
      this.#socket.pause();
      while (remaining > 0) {
        const chunk = await this.#next();
        remaining -= chunk.length;
        yield remaining < 0 ? chunk.subarray(0, remaining) : chunk;
      }
    } finally {
      ReceiveBuffer.#bodies -= 1;
    }
  }

  async #next(): Promise<Uint8Array> {
    for (;;) {
      if (this.#waiting.length < MAX_WAITING) this.#socket.resume();
      if (this.#waiting.length === 0 && this.#failure === undefined) await this.#arrival();
      const chunk = this.#waiting.shift();
      if (chunk !== undefined) return chunk;
      if (this.#memory?.isEmpty === false) return this.#memory.take();
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#memory?.isEmpty === false) this.#wakeLater();
    });
  }

  #wakeLater(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    if (wake !== undefined) setImmediate(wake);
  }

  #nextMemory(): Memory {
    const free = this.#isLarge && ReceiveBuffer.#bodies <= MANY_BODIES ? largeBuffers : smallBuffers;
    return new Memory(free.take(), (released) => free.add(released));
  }
}

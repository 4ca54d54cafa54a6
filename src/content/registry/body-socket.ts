import type { OnReadOpts, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { lend, ROOM_BYTES, takeRoom } from './rooms.ts';

/**
 * A connection for one large answer. Its head goes through Node's parser like any other; a body of a known length can then
 * be taken as it comes off the wire, in large pieces, where the parser would copy every small one. That halves what a
 * client has to do for a blob beside its digest.
 */
export class BodySocket extends Duplex {
  readonly #pieces = new Pieces();
  #socket: Socket | undefined;
  /** head: up to the empty line. held: nobody has said what is to become of the body. */
  #state: 'head' | 'held' | 'parsed' | 'taken' = 'head';
  #early: Buffer = Buffer.alloc(0);

  /** @param dial - opens the connection, which hands over what it reads in this way */
  static async open(dial: (onread: OnReadOpts) => Promise<Socket>): Promise<BodySocket> {
    const made = new BodySocket();
    const socket = await dial({
      buffer: () => made.#pieces.room(),
      callback: (length, room) => made.#came(length, room),
    });
    made.#socket = socket;
    socket.on('error', (error) => made.destroy(error));
    socket.once('end', () => made.#ended());
    socket.once('close', () => made.destroy());
    socket.resume();
    return made;
  }

  /** The head has come, and the body may be taken. */
  get isHeld(): boolean {
    return this.#state === 'held';
  }

  /** The body goes to the parser after all. */
  pass(): void {
    if (this.#state !== 'held') return;
    this.#state = 'parsed';
    this.push(this.#early);
    this.#socket?.resume();
  }

  /** The bytes behind the head, as many as the head has announced; the connection is closed after them. */
  async *body(length: number): AsyncGenerator<Uint8Array> {
    this.#state = 'taken';
    this.#pieces.add(this.#early);
    let left = length;
    try {
      while (left > 0) {
        const piece = this.#pieces.next() ?? (await this.#more());
        if (piece === undefined) throw Object.assign(new Error('the body ended too early'), { code: 'ECONNRESET' });
        const wanted = piece.length > left ? piece.subarray(0, left) : piece;
        left -= wanted.length;
        if (wanted.length > 0) yield wanted;
      }
    } finally {
      this.destroy();
    }
  }

  override _read(): void {
    if (this.#state === 'parsed') this.#socket?.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket?.write(chunk, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket?.destroy();
    this.#pieces.end(error ?? undefined);
    done(error);
  }

  #more(): Promise<Uint8Array | undefined> {
    this.#socket?.resume();
    return this.#pieces.wait();
  }

  /** @returns whether more may come at once */
  #came(length: number, room: Uint8Array): boolean {
    const piece = this.#pieces.cut(length, room);
    if (this.#state === 'taken') return this.#pieces.add(piece);
    if (this.#state === 'parsed') return this.push(piece);
    this.#early = Buffer.concat([this.#early, piece]);
    if (this.#state === 'held') return false;
    const end = this.#early.indexOf('\r\n\r\n');
    if (end === -1 && this.#early.length < MAX_HEAD) return true;
    const head = end === -1 ? this.#early.length : end + 4;
    this.#state = 'held';
    const text = this.#early.subarray(0, head);
    this.#early = this.#early.subarray(head);
    this.push(text);
    // What has no end is the parser's to refuse.
    if (end === -1) this.pass();
    return !this.isHeld;
  }

  #ended(): void {
    this.pass();
    this.#pieces.end();
    if (this.#state !== 'taken') this.push(null);
  }
}

/** Node's own limit is less. */
const MAX_HEAD = 128 * 1024;

/** Read ahead of who takes them. */
const MAX_PIECES = 2;

/** Pieces that have come, and room for the next. */
class Pieces {
  readonly #waiting: Uint8Array[] = [];
  #spare: Uint8Array | undefined;
  #wake: (() => void) | undefined;
  #isOver = false;
  #failure: Error | undefined;

  room(): Uint8Array {
    return (this.#spare ??= takeRoom());
  }

  /** What was read; a small piece does not keep a large room. */
  cut(length: number, room: Uint8Array): Uint8Array {
    if (length < ROOM_BYTES / 4) return Buffer.from(room.subarray(0, length));
    this.#spare = undefined;
    return length === room.length ? lend(room) : room.subarray(0, length);
  }

  /** @returns whether there is place for more */
  add(piece: Uint8Array): boolean {
    if (piece.length > 0) this.#waiting.push(piece);
    this.#wake?.();
    return this.#waiting.length < MAX_PIECES;
  }

  next(): Uint8Array | undefined {
    return this.#waiting.shift();
  }

  /** The next piece, or undefined where there are no more. */
  async wait(): Promise<Uint8Array | undefined> {
    while (this.#waiting.length === 0 && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
    const piece = this.next();
    if (piece === undefined && this.#failure !== undefined) throw this.#failure;
    return piece;
  }

  end(failure?: Error): void {
    this.#isOver = true;
    this.#failure ??= failure;
    this.#wake?.();
  }
}

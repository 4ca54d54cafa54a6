import type { OnReadOpts, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { Inflow } from './inflow.ts';
import { roomBytes } from './rooms.ts';

/**
 * A connection for one large answer. Its head goes through Node's parser like any other; a body of a known length can then
 * be taken as it comes off the wire, in large pieces, where the parser would copy every small one. That halves what a
 * client has to do for a blob beside its digest.
 */
export class BodySocket extends Duplex {
  /** How many there are. */
  static #open = 0;
  readonly #inflow: Inflow;
  #socket: Socket | undefined;
  /** head: up to the empty line. held: nobody has said what is to become of the body. */
  #state: 'head' | 'held' | 'parsed' | 'taken' = 'head';
  #early: Buffer = Buffer.alloc(0);

  /** @param dial - opens the connection, which hands over what it reads in this way */
  static async open(dial: (onread: OnReadOpts) => Promise<Socket>): Promise<BodySocket> {
    const made = new BodySocket();
    const onread: OnReadOpts = { buffer: () => made.#space(), callback: (length) => made.#came(length) };
    const socket = await dial(onread).catch((error: unknown) => {
      made.destroy();
      throw error;
    });
    made.#socket = socket;
    socket.on('error', (error) => made.destroy(error));
    socket.once('end', () => made.#ended());
    socket.once('close', () => made.destroy());
    socket.resume();
    return made;
  }

  constructor() {
    super();
    BodySocket.#open += 1;
    this.#inflow = new Inflow(roomBytes(BodySocket.#open));
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
    let left = length;
    try {
      let piece: Uint8Array | undefined = this.#early;
      while (left > 0) {
        if (piece === undefined) throw Object.assign(new Error('the body ended too early'), { code: 'ECONNRESET' });
        const wanted = piece.length > left ? piece.subarray(0, left) : piece;
        left -= wanted.length;
        if (wanted.length > 0) yield wanted;
        if (left > 0) piece = await this.#next();
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
    BodySocket.#open -= 1;
    this.#socket?.destroy();
    this.#inflow.end(error ?? undefined);
    done(error);
  }

  /** Where the next read goes: what comes with the head is copied, and need not be much. */
  #space(): Uint8Array {
    const { space } = this.#inflow;
    return this.#state === 'head' ? space.subarray(0, HEAD_READ) : space;
  }

  /** The next piece. While it is looked at, more may come. */
  #next(): Promise<Uint8Array | undefined> {
    const piece = this.#inflow.wait();
    if (this.#inflow.isOpen) this.#socket?.resume();
    return piece;
  }

  /** @returns whether more may come at once */
  #came(length: number): boolean {
    if (this.#state === 'taken') {
      this.#inflow.add(length);
      return this.#inflow.isOpen;
    }
    const piece = this.#inflow.copy(length);
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
    this.#inflow.end();
    if (this.#state !== 'taken') this.push(null);
  }
}

const HEAD_READ = 16 * 1024;

/** Node's own limit is less. */
const MAX_HEAD = 128 * 1024;

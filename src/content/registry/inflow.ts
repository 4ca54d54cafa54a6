import { closeRoom, handOut, takeRoom, type Room } from './rooms.ts';

/** What has come off the wire and was not asked for yet: a full room and one that is being filled, as long as who reads heeds `isOpen`. */
export class Inflow {
  readonly #size: number;
  readonly #full: Uint8Array[] = [];
  #room: Room;
  /** What lies between has come, and was not handed out. */
  #from = 0;
  #to = 0;
  #wake: (() => void) | undefined;
  #isOver = false;
  #failure: Error | undefined;

  /** @param size - of its rooms, in bytes */
  constructor(size: number) {
    this.#size = size;
    this.#room = takeRoom(size);
  }

  /** Where the next read goes. */
  get space(): Uint8Array {
    return this.#room.bytes.subarray(this.#to);
  }

  /** Another read may come: there is a place for it. */
  get isOpen(): boolean {
    return this.#full.length === 0;
  }

  /** So many bytes have been read into the space. */
  add(length: number): void {
    this.#to += length;
    if (this.#to === this.#size) this.#next();
    this.#wake?.();
  }

  /** Bytes that were read into the space, to be handed on elsewhere: the space is as it was. */
  copy(length: number): Buffer {
    return Buffer.from(this.space.subarray(0, length));
  }

  #next(): void {
    this.#full.push(handOut(this.#room, this.#from, this.#to));
    closeRoom(this.#room);
    this.#room = takeRoom(this.#size);
    this.#from = 0;
    this.#to = 0;
  }

  /** All that has come and lies together; undefined where nothing has. */
  take(): Uint8Array | undefined {
    const full = this.#full.shift();
    if (full !== undefined || this.#from === this.#to) return full;
    const piece = handOut(this.#room, this.#from, this.#to);
    this.#from = this.#to;
    return piece;
  }

  /** The same, waited for; undefined where nothing more comes. */
  async wait(): Promise<Uint8Array | undefined> {
    for (let piece = this.take(); ; piece = this.take()) {
      if (piece !== undefined) return piece;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  end(failure?: Error): void {
    this.#isOver = true;
    this.#failure ??= failure;
    this.#wake?.();
  }
}

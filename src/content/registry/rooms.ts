/**
 * Rooms for what is read off the wire. A room is filled by one read after the other, and handed out in pieces as these are
 * asked for; it is used again once all its pieces have been sent on. Making a new one for every piece of a large blob keeps
 * the collector busy, and many of them in memory; small ones cost a step of the whole way each.
 */
export interface Room {
  readonly bytes: Uint8Array;
  /** Handed out, and not given back. */
  pieces: number;
  /** Nothing more is read into it. */
  isClosed: boolean;
}

const LARGEST_BYTES = 2 * 1024 * 1024;
const SMALLEST_BYTES = 256 * 1024;
/** What all bodies that are read at once have in rooms, as far as the smallest rooms allow. */
const SHARED_BYTES = 16 * 1024 * 1024;
/** One body's: one is filled, one is full, one is being checked, one is being sent. */
const ROOMS_EACH = 4;
/** More than the downloads of one command have in hand at once is not worth keeping. */
const MAX_SPARE_BYTES = 2 * SHARED_BYTES;

const spare = new Map<number, Uint8Array[]>();
let spareBytes = 0;
/** The rooms of pieces in the hands of who reads them. Who keeps one for good leaves its room to the collector. */
const lent = new WeakMap<Uint8Array, Room>();

/** How large the rooms of a body are to be that is one of so many: a power of two. */
export function roomBytes(bodies: number): number {
  const share = SHARED_BYTES / ROOMS_EACH / bodies;
  return Math.min(LARGEST_BYTES, Math.max(SMALLEST_BYTES, 2 ** Math.floor(Math.log2(share))));
}

export function takeRoom(size: number): Room {
  const kept = spare.get(size)?.pop();
  if (kept !== undefined) spareBytes -= size;
  return { bytes: kept ?? Buffer.allocUnsafeSlow(size), pieces: 0, isClosed: false };
}

/** A part of a room that has been filled. Each part goes out once. */
export function handOut(room: Room, from: number, to: number): Uint8Array {
  const piece = room.bytes.subarray(from, to);
  room.pieces += 1;
  lent.set(piece, room);
  return piece;
}

/** Of a room that nothing more is read into. */
export function closeRoom(room: Room): void {
  room.isClosed = true;
  keepIfDone(room);
}

/** Of a piece that nobody looks at any more. What was not handed out here, or is a part of it, is left alone. */
export function giveBack(piece: Uint8Array): void {
  const room = lent.get(piece);
  if (room === undefined) return;
  lent.delete(piece);
  room.pieces -= 1;
  keepIfDone(room);
}

function keepIfDone({ bytes, pieces, isClosed }: Room): void {
  if (!isClosed || pieces > 0 || spareBytes + bytes.length > MAX_SPARE_BYTES) return;
  const kept = spare.get(bytes.length);
  if (kept === undefined) spare.set(bytes.length, [bytes]);
  else kept.push(bytes);
  spareBytes += bytes.length;
}

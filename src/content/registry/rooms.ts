/**
 * Rooms for what is read off the wire. One of them is used again once what it held has been sent on: making a new one for
 * every piece of a large blob keeps the collector busy, and many of them in memory.
 */

export const ROOM_BYTES = 512 * 1024;
/** More than the downloads of one command have in hand at once are not worth keeping. */
const MAX_SPARE = 64;

const spare: Uint8Array[] = [];
/** Pieces that fill their room, in the hands of who reads them. Who keeps one for good leaves it to the collector. */
const lent = new WeakSet<Uint8Array>();

export function takeRoom(): Uint8Array {
  return spare.pop() ?? Buffer.allocUnsafeSlow(ROOM_BYTES);
}

/** A room that is full goes out as it is: only the whole piece can come back. */
export function lend(room: Uint8Array): Uint8Array {
  lent.add(room);
  return room;
}

/** Of a piece that nobody looks at any more. What was not lent here, or is a part of it, is left alone. */
export function giveBack(piece: Uint8Array): void {
  if (lent.delete(piece) && spare.length < MAX_SPARE) spare.push(piece);
}

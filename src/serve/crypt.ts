import { createHash } from 'node:crypto';

/** Password hashes in the forms of crypt(5) that need nothing but MD5 and SHA-2. */

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The low bits first, six to a character. */
function base64(value: number, characters: number): string {
  return Array.from({ length: characters }, (_, at) => ALPHABET[(value >>> (6 * at)) & 63] ?? '').join('');
}

function hash(algorithm: string, ...parts: readonly Uint8Array[]): Buffer {
  const state = createHash(algorithm);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** So many bytes, of this over and over. */
function cycled(bytes: Uint8Array, length: number): Uint8Array {
  return Buffer.alloc(length, bytes);
}

/** The lowest first; none of zero. */
function bitsOf(value: number): readonly number[] {
  return Array.from({ length: 32 - Math.clz32(value) }, (_, at) => (value >>> at) & 1);
}

/** Writes a digest in groups of three bytes, each group in the order that the form prescribes. */
function groups(digest: Uint8Array, order: readonly (readonly number[])[], rest: readonly number[]): string {
  const value = (places: readonly number[]): number =>
    places.reduce((sum, place) => sum * 256 + (digest[place] ?? 0), 0);
  return order.map((places) => base64(value(places), 4)).join('') + base64(value(rest), rest.length + 1);
}

/** Apache's variant of MD5-crypt, `$apr1$salt$hash`: what `htpasswd -m` and `openssl passwd -apr1` write. */
export function apr1(password: string, salt: string): string {
  const [key, salted, magic] = [Buffer.from(password), Buffer.from(salt), Buffer.from('$apr1$')];
  const inner = hash('md5', key, salted, key);
  const tail = Buffer.from(bitsOf(key.length).map((bit) => (bit === 1 ? 0 : (key[0] ?? 0))));
  let digest = hash('md5', key, magic, salted, cycled(inner, key.length), tail);
  for (let round = 0; round < 1000; round += 1) {
    const odd = round % 2 === 1;
    digest = hash(
      'md5',
      odd ? key : digest,
      round % 3 === 0 ? Buffer.alloc(0) : salted,
      round % 7 === 0 ? Buffer.alloc(0) : key,
      odd ? digest : key,
    );
  }
  const order = [0, 1, 2, 3, 4].map((at) => [at, at + 6, at === 4 ? 5 : at + 12]);
  return `$apr1$${salt}$${groups(digest, order, [11])}`;
}

/** SHA-crypt, `$5$` and `$6$`, with `rounds=N$` before the salt where there are not 5000: `openssl passwd -5` and `-6`. */
export function shaCrypt(kind: '5' | '6', password: string, salt: string, rounds: number | undefined): string {
  const algorithm = kind === '5' ? 'sha256' : 'sha512';
  const [key, salted] = [Buffer.from(password), Buffer.from(salt)];
  const inner = hash(algorithm, key, salted, key);
  const mixed = bitsOf(key.length).map((bit) => (bit === 1 ? inner : key));
  let digest = hash(algorithm, key, salted, cycled(inner, key.length), ...mixed);
  const keys = cycled(hash(algorithm, ...Array.from({ length: key.length }, () => key)), key.length);
  const salts = cycled(hash(algorithm, ...Array.from({ length: 16 + (digest[0] ?? 0) }, () => salted)), salted.length);
  const empty = Buffer.alloc(0);
  for (let round = 0; round < (rounds ?? 5000); round += 1) {
    const odd = round % 2 === 1;
    digest = hash(
      algorithm,
      odd ? keys : digest,
      round % 3 === 0 ? empty : salts,
      round % 7 === 0 ? empty : keys,
      odd ? digest : keys,
    );
  }
  const written = kind === '5' ? groups(digest, order256, [31, 30]) : groups(digest, order512, [63]);
  return `$${kind}$${rounds === undefined ? '' : `rounds=${rounds}$`}${salt}$${written}`;
}

/** Each group is the one before it, turned and moved on by one (Drepper, "Unix crypt using SHA-256 and SHA-512", step 22). */
const order256 = rotated(10, [0, 10, 20], ([a = 0, b = 0, c = 0]) => [c, a, b]);
const order512 = rotated(21, [0, 21, 42], ([a = 0, b = 0, c = 0]) => [b, c, a]);

function rotated(count: number, first: readonly number[], turn: (places: readonly number[]) => readonly number[]) {
  const order = [first];
  while (order.length < count) order.push(turn(order.at(-1) ?? first).map((place) => place + 1));
  return order;
}

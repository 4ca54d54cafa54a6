import type { Hash } from 'node:crypto';
import { MlistError } from '../errors/errors.ts';

declare const digestBrand: unique symbol;

/** `algorithm:encoded` (image-spec v1.1.1 descriptor.md "Digests"). Made only by `parseDigest` and `digestOf`, so `===` compares. */
export type Digest = string & { readonly [digestBrand]: true };

const grammar = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** Algorithms that can be checked here, with the length of their lower-case hex. */
const hexLength = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/** Registered, but its bytes cannot be checked with Node's crypto: its form is. */
const formOnly = new Map([['blake3', 64]]);

/** Node's crypto takes as long to load as all of a local command's own work, and most of these hash nothing. */
export function createHash(algorithm: string): Hash {
  return process.getBuiltinModule('node:crypto').createHash(algorithm);
}

/** Longest text that is looked at: the grammar is unbounded, a document is not trusted. */
const MAX_LENGTH = 512;

export function digestAlgorithm(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'));
}

export function digestEncoded(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Whether bytes can be checked against this digest. Unknown algorithms are legal, but they prove nothing. */
export function isVerifiable(digest: Digest): boolean {
  return hexLength.has(digestAlgorithm(digest));
}

/** Why a text is no digest; undefined where it is one. */
export function digestProblem(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return `longer than ${MAX_LENGTH} characters`;
  if (!grammar.test(text)) return 'not of the form algorithm:encoded';
  const [algorithm = '', encoded = ''] = text.split(':', 2);
  const length = hexLength.get(algorithm) ?? formOnly.get(algorithm);
  if (length === undefined) return undefined;
  if (encoded.length !== length) return `${algorithm} takes ${length} hex digits, not ${encoded.length}`;
  return /^[a-f0-9]+$/.test(encoded) ? undefined : `${algorithm} is written in lower-case hex`;
}

export function isDigest(text: string): text is Digest {
  return digestProblem(text) === undefined;
}

/**
 * Whether a name is a digest rather than a tag: layouts may have any text as a tag, and `app:v1` has the form of a digest
 * whose algorithm nobody knows.
 */
export function isDigestName(text: string): text is Digest {
  const [algorithm = ''] = text.split(':', 1);
  return isDigest(text) && (hexLength.has(algorithm) || formOnly.has(algorithm));
}

/**
 * Reads a digest.
 * @throws MlistError `ERR_MLIST_DIGEST_INVALID` where the form is wrong, such as upper-case hex or a wrong length.
 */
export function parseDigest(text: string): Digest {
  const fault = digestProblem(text);
  if (fault !== undefined) {
    throw new MlistError('ERR_MLIST_DIGEST_INVALID', `${JSON.stringify(text.slice(0, 160))} is no digest: ${fault}`);
  }
  return text as Digest;
}

/** Enough of a digest to be typed: `sha256:0123456789ab`. */
export function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(':') + 13);
}

/** The digests that a document contains anywhere, of the algorithms that can be checked. */
export function digestsIn(bytes: Uint8Array): ReadonlySet<string> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  return new Set(text.match(/\b(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})(?![a-f0-9])/g));
}

/** The sha256 digest of exactly these bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** Whether the bytes are those that the digest names; false too where the algorithm cannot be checked. */
export function digestMatches(digest: Digest, bytes: Uint8Array): boolean {
  if (!isVerifiable(digest)) return false;
  return createHash(digestAlgorithm(digest)).update(bytes).digest('hex') === digestEncoded(digest);
}

/** Hashes bytes as they flow. */
export class Digester {
  readonly #algorithm: string;
  readonly #hash: Hash;

  constructor(algorithm = 'sha256') {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}` as Digest;
  }
}

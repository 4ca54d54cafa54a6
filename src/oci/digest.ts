import type { Hash } from 'node:crypto';
import { MlistError } from '../errors/errors.ts';

declare const digestBrand: unique symbol;

/** `algorithm:encoded` (image-spec v1.1.1 descriptor.md "Digests"). A Digest is always valid; compare with `===`. */
export type Digest = string & { readonly [digestBrand]: true };

const grammar = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** The number of lower-case hex digits for each algorithm that can be verified. */
const hexLength = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/** The number of hex digits for registered algorithms that Node cannot compute. Only the form is checked. */
const formOnly = new Map([['blake3', 64]]);

/**
 * Creates a hash. node:crypto is loaded on first use, because loading it takes as long as a whole local command, and
 * most local commands do not hash.
 */
export function createHash(algorithm: string): Hash {
  return process.getBuiltinModule('node:crypto').createHash(algorithm);
}

/** Maximum length of a digest. The grammar has no limit, but documents are untrusted input. */
const MAX_LENGTH = 512;

export function digestAlgorithm(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'));
}

export function digestEncoded(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Whether content can be verified against this digest. Unknown algorithms are valid, but cannot be verified. */
export function isVerifiable(digest: Digest): boolean {
  return hexLength.has(digestAlgorithm(digest));
}

/** Returns the reason why a string is not a valid digest, or undefined if it is valid. */
export function digestProblem(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`;
  if (!grammar.test(text)) return 'it must have the form ALGORITHM:ENCODED';
  const [algorithm = '', encoded = ''] = text.split(':', 2);
  const length = hexLength.get(algorithm) ?? formOnly.get(algorithm);
  if (length === undefined) return undefined;
  if (encoded.length !== length) return `a ${algorithm} digest has ${length} hex digits, not ${encoded.length}`;
  return /^[a-f0-9]+$/.test(encoded) ? undefined : `a ${algorithm} digest must be lower-case hex`;
}

export function isDigest(text: string): text is Digest {
  return digestProblem(text) === undefined;
}

/**
 * Whether a name is a digest of a registered algorithm rather than a tag. A tag in a layout may be any string: `app:v1`
 * has the form of a digest, but is a tag.
 */
export function isDigestName(text: string): text is Digest {
  const [algorithm = ''] = text.split(':', 1);
  return isDigest(text) && (hexLength.has(algorithm) || formOnly.has(algorithm));
}

/**
 * Parses a digest.
 * @throws MlistError `ERR_MLIST_DIGEST_INVALID` if the form is invalid, such as upper-case hex or a wrong length
 */
export function parseDigest(text: string): Digest {
  const problem = digestProblem(text);
  if (problem !== undefined) {
    throw new MlistError(
      'ERR_MLIST_DIGEST_INVALID',
      `invalid digest ${JSON.stringify(text.slice(0, 160))}: ${problem}`,
    );
  }
  return text as Digest;
}

/** Shortens a digest to the algorithm and 12 hex digits, such as `sha256:0123456789ab`. */
export function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(':') + 13);
}

/** Shortens an image ID to the form that engines print: the first 12 hex digits, without the algorithm. */
export function shortImageId(id: string): string {
  return id.slice(id.indexOf(':') + 1).slice(0, 12);
}

/** Returns all sha256, sha384 and sha512 digests that occur in the text of a document. */
export function digestsIn(bytes: Uint8Array): ReadonlySet<string> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  return new Set(text.match(/\b(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})(?![a-f0-9])/g));
}

/** Returns the sha256 digest of the bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** Whether the bytes match the digest; false if the algorithm cannot be verified. */
export function digestMatches(digest: Digest, bytes: Uint8Array): boolean {
  if (!isVerifiable(digest)) return false;
  return createHash(digestAlgorithm(digest)).update(bytes).digest('hex') === digestEncoded(digest);
}

/** Computes the digest of a stream of bytes. */
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

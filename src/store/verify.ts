import { MlistError } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm, Digester, isVerifiable, parseDigest, type Digest } from '../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../json/parse.ts';

/** The digest and the size of a blob; both are verified. */
export type BlobIdentity = Pick<Descriptor, 'digest' | 'size'>;

/** Why bytes are not the blob that was requested. */
export type BlobFault =
  | { readonly reason: 'unsupported-algorithm' }
  | { readonly reason: 'too-long' }
  /** `hasDigest`: the digest matches, so the size in the descriptor is wrong. */
  | { readonly reason: 'size'; readonly actual: number; readonly hasDigest: boolean }
  | { readonly reason: 'digest'; readonly actual: Digest };

/** Creates the error for a fault, in the terms of the store that the bytes come from. */
export type FaultError = (blob: BlobIdentity, fault: BlobFault) => MlistError;

/**
 * Passes on the bytes of a blob and verifies them. The chunk that completes the blob is passed on only after the whole
 * blob was verified, so that a consumer that counts the bytes never receives a complete damaged blob.
 */
export async function* verified(
  blob: BlobIdentity,
  chunks: AsyncIterable<Uint8Array>,
  toError: FaultError,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = blob;
  if (!isVerifiable(digest)) throw toError(blob, { reason: 'unsupported-algorithm' });
  const digester = new Digester(digestAlgorithm(digest));
  let length = 0;
  let last: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (chunk.length === 0) continue;
    length += chunk.length;
    if (length > size) throw toError(blob, { reason: 'too-long' });
    digester.update(chunk);
    if (length < size) yield chunk;
    else last = chunk;
  }
  const actual = digester.digest();
  if (length !== size) throw toError(blob, { reason: 'size', actual: length, hasDigest: actual === digest });
  if (actual !== digest) throw toError(blob, { reason: 'digest', actual });
  if (last !== undefined) yield last;
}

/**
 * Passes on the bytes of a stream of unknown size. Fails as soon as the stream exceeds the limit.
 * @param exceeded - creates the error
 */
export async function* limitedTo(
  maxBytes: number,
  chunks: AsyncIterable<Uint8Array>,
  exceeded: () => MlistError,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > maxBytes) throw exceeded();
    yield chunk;
  }
}

/** Reads a whole small blob: at most 4 MiB. */
export async function readWhole(
  { digest, size }: BlobIdentity,
  open: () => AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  if (size > MAX_DOCUMENT_BYTES) {
    throw new MlistError(
      'ERR_MLIST_DOCUMENT_INVALID',
      `${digest} has ${size} bytes, more than the limit of ${MAX_DOCUMENT_BYTES}`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of open()) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/**
 * Checks that content can be verified with a digest, and returns the digest.
 * @throws MlistError `ERR_MLIST_DIGEST_INVALID` if the digest is invalid or its algorithm is not supported
 */
export function checkVerifiable(digest: Digest): Digest {
  if (isVerifiable(parseDigest(digest))) return digest;
  throw unsupportedAlgorithm(digest);
}

/**
 * Returns a function that creates the errors for damaged blobs of layouts and archives.
 * @param store - the layout or archive, for the message
 */
export function damageError(store?: string): FaultError {
  return ({ digest, size }, fault) => {
    switch (fault.reason) {
      case 'unsupported-algorithm':
        return unsupportedAlgorithm(digest);
      case 'too-long':
        return damagedBlob(digest, `more than ${size} bytes`, store);
      case 'size':
        return damagedBlob(digest, `${fault.actual} bytes, not ${size}`, store);
      case 'digest':
        return damagedBlob(digest, `the digest ${fault.actual}`, store);
    }
  };
}

/**
 * The error for a blob that does not match its digest or size.
 * @param found - what the blob has, such as `3 bytes, not 4`
 */
export function damagedBlob(digest: Digest, found: string, store?: string): MlistError {
  const blob = store === undefined ? digest : `${digest} in ${store}`;
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `the blob ${blob} is damaged: it has ${found}`);
}

export function unsupportedAlgorithm(digest: Digest): MlistError {
  return new MlistError('ERR_MLIST_DIGEST_INVALID', `${digest} cannot be verified: its algorithm is not supported`);
}

/** The error for content with another digest or size than it should have. */
export function contentMismatch(message: string): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message);
}

/** The error of an upload that was discarded while it was running. */
export function cancelledUpload(): MlistError {
  return new MlistError('ERR_MLIST_NOT_FOUND', 'the upload was cancelled');
}

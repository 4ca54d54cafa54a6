import { MlistError } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm, Digester, isVerifiable, parseDigest, type Digest } from '../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../json/parse.ts';

/** The digest and the size of a blob; both are verified. */
export type BlobIdentity = Pick<Descriptor, 'digest' | 'size'>;

/** The reason for refusing the bytes of a blob. */
export type BlobFault =
  | { readonly reason: 'unsupported-algorithm' }
  | { readonly reason: 'too-long' }
  /** `hasDigest`: the digest matches, so the size in the descriptor is wrong. */
  | { readonly reason: 'size'; readonly actual: number; readonly hasDigest: boolean }
  | { readonly reason: 'digest'; readonly actual: Digest };

/** Creates the error for a fault. Each kind of store has its own wording. */
export type FaultError = (blob: BlobIdentity, fault: BlobFault) => MlistError;

/**
 * Passes on the bytes of a blob and verifies them. The last chunk is passed on only after the whole blob was verified,
 * because a consumer that counts the bytes may stop reading after the last chunk.
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

/**
 * Reads a blob into memory.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it has more than `MAX_DOCUMENT_BYTES`
 */
export async function readWhole(
  { digest, size }: BlobIdentity,
  open: () => AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  if (size > MAX_DOCUMENT_BYTES) {
    throw new MlistError(
      'ERR_MLIST_DOCUMENT_INVALID',
      `the blob ${digest} has ${size} bytes, more than the limit of ${MAX_DOCUMENT_BYTES} for documents`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of open()) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/**
 * Returns the digest if it can be used to verify content.
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
        return fault.hasDigest
          ? contentMismatch(`${blobName(digest, store)} has ${fault.actual} bytes, but its descriptor states ${size}`)
          : damagedBlob(digest, `${fault.actual} bytes, not ${size}`, store);
      case 'digest':
        return damagedBlob(digest, `the digest ${fault.actual}`, store);
    }
  };
}

/**
 * Creates the error for a blob that does not match its digest or size.
 * @param found - what the blob has, such as `3 bytes, not 4`
 */
export function damagedBlob(digest: Digest, found: string, store?: string): MlistError {
  return contentMismatch(`${blobName(digest, store)} is damaged: it has ${found}`);
}

function blobName(digest: Digest, store: string | undefined): string {
  return store === undefined ? `the blob ${digest}` : `the blob ${digest} in ${store}`;
}

export function unsupportedAlgorithm(digest: Digest): MlistError {
  return new MlistError(
    'ERR_MLIST_DIGEST_INVALID',
    `${digest} cannot be verified: the digest algorithm is not supported`,
  );
}

/** Creates the error for content that does not have the expected digest or size. */
export function contentMismatch(message: string): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message);
}

/** Creates the error for the use of an upload that was discarded. */
export function cancelledUpload(): MlistError {
  return new MlistError('ERR_MLIST_NOT_FOUND', 'the upload was cancelled');
}

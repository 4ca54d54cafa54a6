import { MlistError } from '../../../errors/errors.ts';
import { digestAlgorithm, digestMatches, isDigest, isVerifiable, type Digest } from '../../../oci/digest.ts';
import type { Descriptor } from '../../../oci/descriptor.ts';
import type { FaultError } from '../../verify.ts';

/**
 * Checks a response, which is untrusted, against the requested digest and size.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if one of them differs, or the digest algorithm is not supported
 */
export function verifyBytes(
  subject: string,
  bytes: Uint8Array,
  expected: { readonly digest?: Digest; readonly size?: number },
): void {
  const { digest, size } = expected;
  const hasDigest = digest !== undefined && isVerifiable(digest) && digestMatches(digest, bytes);
  if (size !== undefined && bytes.length !== size) throw wrongSize(subject, bytes.length, size, hasDigest);
  if (digest === undefined || hasDigest) return;
  throw isVerifiable(digest) ? wrongDigest(subject, digest) : unsupportedAlgorithm(subject, digest);
}

/**
 * Checks the bytes against the optional `Docker-Content-Digest` header. A digest with an unsupported algorithm is
 * accepted.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the header is invalid or has another digest
 */
export function verifyHeader(subject: string, header: string | undefined, bytes: Uint8Array): void {
  if (header === undefined) return;
  if (!isDigest(header)) throw wrongHeader(subject, header);
  if (isVerifiable(header) && !digestMatches(header, bytes))
    throw mismatch(subject, `does not match the header Docker-Content-Digest: ${header}`);
}

/**
 * Checks the `Docker-Content-Digest` header against the requested digest. A header with another digest algorithm cannot
 * be compared and is accepted.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the header is invalid or has another digest
 */
export function verifyStatedDigest(
  subject: string,
  header: string | undefined,
  { digest }: Pick<Descriptor, 'digest'>,
): void {
  if (header === undefined || header === digest) return;
  if (!isDigest(header) || digestAlgorithm(header) === digestAlgorithm(digest)) throw wrongHeader(subject, header);
}

function wrongHeader(subject: string, header: string): MlistError {
  const fault = isDigest(header)
    ? `has another digest in the response (Docker-Content-Digest: ${header})`
    : 'has an invalid Docker-Content-Digest header in the response';
  return mismatch(subject, fault);
}

/**
 * Returns a function that creates the errors for blobs that do not match their descriptor.
 * @param subject - the reference of the blob
 */
export function mismatchError(subject: string): FaultError {
  return ({ digest, size }, fault) => {
    switch (fault.reason) {
      case 'unsupported-algorithm':
        return unsupportedAlgorithm(subject, digest);
      case 'too-long':
        return mismatch(subject, `is longer than the ${size} bytes in its descriptor`);
      case 'size':
        return wrongSize(subject, fault.actual, size, fault.hasDigest);
      case 'digest':
        return wrongDigest(subject, digest);
    }
  };
}

function unsupportedAlgorithm(subject: string, digest: Digest): MlistError {
  const fault = `cannot be verified: the digest algorithm ${digestAlgorithm(digest)} is not supported`;
  return mismatch(subject, fault, 'mlist can verify sha256, sha384 and sha512.');
}

function wrongDigest(subject: string, digest: Digest): MlistError {
  return mismatch(subject, `does not match the digest ${digest}`);
}

/**
 * Creates the error for content whose size differs from its descriptor. If the digest matches, the content is correct,
 * and the list or manifest that contains the descriptor is wrong.
 */
function wrongSize(subject: string, actual: number, size: number, hasDigest: boolean): MlistError {
  if (!hasDigest) return mismatch(subject, `has ${actual} bytes, not ${size}`);
  const hint = 'The list or manifest that refers to this content states a wrong size. Build it again.';
  return mismatch(subject, `has ${actual} bytes, but its descriptor states ${size}`, hint);
}

const CHANGED = 'Check the registry and any proxy in front of it: the response was changed or damaged.';

/**
 * Creates an `ERR_MLIST_CONTENT_MISMATCH` error.
 * @param fault - the end of the message, such as `has 3 bytes, not 4`
 */
export function mismatch(subject: string, fault: string, hint = CHANGED): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `${subject} ${fault}`, { reference: subject, hint });
}

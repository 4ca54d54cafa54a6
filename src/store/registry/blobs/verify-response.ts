import { MlistError } from '../../../errors/errors.ts';
import { digestAlgorithm, digestMatches, isDigest, isVerifiable, type Digest } from '../../../oci/digest.ts';
import type { Descriptor } from '../../../oci/descriptor.ts';
import type { FaultError } from '../../verify.ts';

/**
 * Checks a response against the requested digest and size. Registry responses are untrusted.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH`
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

/** Checks the `Docker-Content-Digest` header, which is optional, against the bytes. */
export function verifyHeader(subject: string, header: string | undefined, bytes: Uint8Array): void {
  if (header === undefined) return;
  if (!isDigest(header)) throw wrongHeader(subject, header);
  if (isVerifiable(header) && !digestMatches(header, bytes))
    throw mismatch(subject, `does not match its header Docker-Content-Digest: ${header}`);
}

/** Checks the header against the requested digest. A digest of another algorithm cannot be compared and is accepted. */
export function verifyStatedDigest(
  subject: string,
  header: string | undefined,
  { digest }: Pick<Descriptor, 'digest'>,
): void {
  if (header === undefined || header === digest) return;
  if (!isDigest(header) || digestAlgorithm(header) === digestAlgorithm(digest)) throw wrongHeader(subject, header);
}

function wrongHeader(subject: string, header: string): MlistError {
  const value = isDigest(header) ? header : 'which is not a digest';
  return mismatch(subject, `was served with the header Docker-Content-Digest: ${value}`);
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
        return mismatch(subject, `is longer than ${size} bytes`);
      case 'size':
        return wrongSize(subject, fault.actual, size, fault.hasDigest);
      case 'digest':
        return wrongDigest(subject, digest);
    }
  };
}

function unsupportedAlgorithm(subject: string, digest: Digest): MlistError {
  return mismatch(subject, `cannot be verified: the digest algorithm ${digestAlgorithm(digest)} is not supported`);
}

function wrongDigest(subject: string, digest: Digest): MlistError {
  return mismatch(subject, `does not match the digest ${digest}`);
}

/**
 * The error for a blob of another size than its descriptor states. If the digest matches, the list or manifest that
 * refers to the blob is wrong, not the content of the registry.
 */
function wrongSize(subject: string, actual: number, size: number, hasDigest: boolean): MlistError {
  if (!hasDigest) return mismatch(subject, `has ${actual} bytes, not ${size}`);
  const hint = 'The list or manifest that refers to it states a wrong size, and has to be built again.';
  return mismatch(subject, `has ${actual} bytes, but its descriptor states ${size}`, hint);
}

const CHANGED = 'The registry, or a proxy in front of it, has changed the content. It was not used.';

/**
 * The error for content that differs from its descriptor.
 * @param fault - what is wrong, such as `has 3 bytes, not 4`
 */
export function mismatch(subject: string, fault: string, hint = CHANGED): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `${subject} ${fault}`, { reference: subject, hint });
}

import { MlistError } from '../../errors.ts';
import { digestAlgorithm, digestMatches, isDigest, isVerifiable, type Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { FaultError } from '../verify.ts';

/** Registry responses are untrusted: length and digest are checked against what was requested. */

/** @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` */
export function verifyBytes(
  subject: string,
  bytes: Uint8Array,
  expected: { readonly digest?: Digest; readonly size?: number },
): void {
  const { digest, size } = expected;
  if (size !== undefined && bytes.length !== size) {
    const isContent = digest !== undefined && isVerifiable(digest) && digestMatches(digest, bytes);
    throw isContent
      ? wrongSize(subject, bytes.length, size)
      : mismatch(subject, `has ${bytes.length} bytes, not ${size}`);
  }
  if (digest === undefined) return;
  if (!isVerifiable(digest)) throw mismatch(subject, `cannot be checked: ${digestAlgorithm(digest)} is not known here`);
  if (!digestMatches(digest, bytes)) throw mismatch(subject, `is not what ${digest} names`);
}

/** Checks the digest that a registry states in `Docker-Content-Digest`; it may leave it out. */
export function verifyHeader(subject: string, header: string | undefined, bytes: Uint8Array): void {
  if (header === undefined) return;
  if (!isDigest(header)) throw stated(subject, header);
  if (isVerifiable(header) && !digestMatches(header, bytes))
    throw mismatch(subject, `is not what its header says, ${header}`);
}

/** The same where only the digest is known, and not the bytes: one of another algorithm can say the same. */
export function verifyStatedDigest(
  subject: string,
  header: string | undefined,
  { digest }: Pick<Descriptor, 'digest'>,
): void {
  if (header === undefined || header === digest) return;
  if (!isDigest(header) || digestAlgorithm(header) === digestAlgorithm(digest)) throw stated(subject, header);
}

function stated(subject: string, header: string): MlistError {
  const said = isDigest(header) ? header : 'which is no digest';
  return mismatch(subject, `came with the header Docker-Content-Digest, ${said}`);
}

/** Errors for blobs that a registry sends. @param subject - the blob's reference */
export function mismatchError(subject: string): FaultError {
  return ({ digest, size }, fault) => {
    switch (fault.reason) {
      case 'unsupported-algorithm':
        return mismatch(subject, `cannot be checked: ${digestAlgorithm(digest)} is not known here`);
      case 'too-long':
        return mismatch(subject, `is longer than ${size} bytes`);
      case 'size':
        return fault.hasDigest
          ? wrongSize(subject, fault.actual, size)
          : mismatch(subject, `has ${fault.actual} bytes, not ${size}`);
      case 'digest':
        return mismatch(subject, `is not what ${digest} names`);
    }
  };
}

/** The registry has the content; the list or manifest that refers to it states a wrong size. */
function wrongSize(subject: string, actual: number, size: number): MlistError {
  const hint = 'The list or manifest that refers to it states a wrong size, and has to be built again.';
  return mismatch(subject, `has ${actual} bytes, but its descriptor says ${size}`, hint);
}

const CHANGED = 'The registry, or a proxy in front of it, has changed the content. It was not used.';

export function mismatch(subject: string, fault: string, hint = CHANGED): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `${subject} ${fault}`, { reference: subject, hint });
}

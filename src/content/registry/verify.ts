import { MlistError } from '../../errors.ts';
import { digestAlgorithm, Digester, digestMatches, isDigest, isVerifiable, type Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/descriptor.ts';

/** Nothing that a registry sends is believed: length and digest are checked against what was asked for. */

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

/**
 * Passes bytes on and checks them as they flow; throws where they are not what the descriptor names. The last of them is
 * held back until all have been checked, so that nobody who counts them has the whole of something wrong.
 */
export async function* verified(
  subject: string,
  descriptor: Pick<Descriptor, 'digest' | 'size'>,
  body: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const { digest, size } = descriptor;
  if (!isVerifiable(digest)) throw mismatch(subject, `cannot be checked: ${digestAlgorithm(digest)} is not known here`);
  const digester = new Digester(digestAlgorithm(digest));
  let seen = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of body) {
    if (chunk.length === 0) continue;
    seen += chunk.length;
    if (seen > size) throw mismatch(subject, `is longer than ${size} bytes`);
    digester.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  const isContent = digester.digest() === digest;
  if (seen !== size)
    throw isContent ? wrongSize(subject, seen, size) : mismatch(subject, `has ${seen} bytes, not ${size}`);
  if (!isContent) throw mismatch(subject, `is not what ${digest} names`);
  if (held !== undefined) yield held;
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

import { MlistError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestAlgorithm, Digester, isVerifiable, parseDigest, type Digest } from '../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../oci/json-read.ts';

/** What identifies a blob: its bytes are held against both. */
export type Identity = Pick<Descriptor, 'digest' | 'size'>;

/**
 * The bytes of a blob as they come from a disk. The last of them come only once all proved right: nobody takes a damaged
 * blob for a whole one.
 * @param place - what is named as the place where a damaged blob lies
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH`
 */
export async function* verified(
  { digest, size }: Identity,
  chunks: AsyncIterable<Uint8Array>,
  place?: string,
): AsyncGenerator<Uint8Array> {
  const digester = new Digester(digestAlgorithm(checkVerifiable(digest)));
  let length = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > size) throw damaged(digest, `more than ${size} bytes`, place);
    digester.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (length !== size) throw damaged(digest, `${length} bytes, not ${size}`, place);
  const found = digester.digest();
  if (found !== digest) throw damaged(digest, `the digest ${found}`, place);
  if (held !== undefined) yield held;
}

/** The bytes of a small blob, whole: at most 4 MiB. */
export async function wholeBlob(
  { digest, size }: Identity,
  open: () => AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  if (size > MAX_DOCUMENT_BYTES) {
    throw new MlistError(
      'ERR_MLIST_DOCUMENT_INVALID',
      `${digest} has ${size} bytes, more than the ${MAX_DOCUMENT_BYTES} that are read at once`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of open()) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** @throws MlistError `ERR_MLIST_DIGEST_INVALID` for a text that is no digest, and for one that bytes cannot be held against */
export function checkVerifiable(digest: Digest): Digest {
  if (isVerifiable(parseDigest(digest))) return digest;
  throw new MlistError('ERR_MLIST_DIGEST_INVALID', `${digest} cannot be checked: its algorithm is not known here`);
}

export function damaged(digest: Digest, found: string, place?: string): MlistError {
  const blob = place === undefined ? digest : `${digest} in ${place}`;
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `the blob ${blob} is damaged: it has ${found}`);
}

import { MlistError } from '../../../errors/errors.ts';
import { openFiles } from '../../../fs/open-files.ts';
import { digestAlgorithm, digestEncoded, type Digest } from '../../../oci/digest.ts';
import { checkVerifiable, damagedBlob, damageError, verified, readWhole, type BlobIdentity } from '../../verify.ts';
import type { TarFile } from './tar-file.ts';

/**
 * Returns the file name of a blob in a layout: `blobs/<algorithm>/<encoded>`.
 * @throws MlistError `ERR_MLIST_DIGEST_INVALID` if the digest is invalid or its algorithm is not supported
 */
export function blobName(digest: Digest): string {
  return `blobs/${digestAlgorithm(checkVerifiable(digest))}/${digestEncoded(digest)}`;
}

/** Reads the blobs of an archive by their digests. */
export class TarBlobs {
  readonly #tar: TarFile;
  readonly #nameOf: (digest: Digest) => string;

  /** @param nameOf - returns the file name of a blob; default: as in a layout */
  constructor(tar: TarFile, nameOf: (digest: Digest) => string = blobName) {
    this.#tar = tar;
    this.#nameOf = nameOf;
  }

  /** Returns the size of a blob in bytes, or undefined if it does not exist. */
  size(digest: Digest): number | undefined {
    return this.#tar.size(this.#nameOf(digest));
  }

  /**
   * Reads a whole blob and verifies it.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the blob has more than `MAX_DOCUMENT_BYTES`
   */
  bytes(blob: BlobIdentity, signal?: AbortSignal): Promise<Uint8Array> {
    return openFiles.run(() => readWhole(blob, () => this.stream(blob, signal)));
  }

  async *stream({ digest, size }: BlobIdentity, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const actual = this.size(digest);
    if (actual === undefined) {
      throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no blob ${digest} in ${this.#tar.name}`, {
        path: this.#tar.path,
      });
    }
    if (actual !== size) throw damagedBlob(digest, `${actual} bytes, not ${size}`, this.#tar.name);
    yield* verified({ digest, size }, this.#tar.stream(this.#nameOf(digest), { signal }), damageError(this.#tar.name));
  }
}

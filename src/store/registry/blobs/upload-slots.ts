import { Limiter } from '../../../async/limiter.ts';
import { defaults } from '../registry-options.ts';

const MIB = 1024 * 1024;

/** The smallest length of a large blob in bytes. */
const LARGE_BLOB_BYTES = MIB;

/**
 * Default limit on the total size of the large blobs that are uploaded concurrently, where each blob counts as at most
 * `MAX_COUNTED_BYTES`. It is enough for 200 Mbit/s if an upload takes a second. A higher limit would need more memory
 * and CPU time without being faster.
 */
const MAX_LARGE_BYTES = 24 * MIB;

/** A larger blob counts as this many bytes, so that 6 blobs of any size can be uploaded concurrently. */
const MAX_COUNTED_BYTES = MAX_LARGE_BYTES / 6;

/** Limits concurrent uploads to a registry, each of which uses its own HTTP/1.1 connection. */
export class UploadSlots {
  readonly #small: Limiter;
  readonly #large: Limiter;
  readonly #maxWeight: number;

  /**
   * @param concurrency - the maximum number of concurrent uploads of small blobs and, separately, of large ones. The
   * limit on all requests to the registry applies too. Default: 32 small blobs, and `MAX_LARGE_BYTES`
   */
  constructor(concurrency: number | undefined) {
    this.#small = new Limiter(concurrency ?? defaults.concurrency);
    this.#large = new Limiter(concurrency ?? MAX_LARGE_BYTES);
    this.#maxWeight = concurrency === undefined ? MAX_COUNTED_BYTES : 1;
  }

  /**
   * Runs an upload as soon as the limit permits it.
   * @param size - the length of the blob in bytes
   */
  run<T>(size: number, upload: () => Promise<T>): Promise<T> {
    if (size < LARGE_BLOB_BYTES) return this.#small.run(upload);
    return this.#large.run(upload, Math.min(size, this.#maxWeight));
  }
}

import { Limiter } from '../../../async/limiter.ts';
import { defaults } from '../registry-options.ts';

const MIB = 1024 * 1024;

/** The smallest length of a large blob in bytes. */
const LARGE_BLOB_BYTES = MIB;

/**
 * By default, the large blobs that are uploaded at once have at most this many bytes together. This is enough for 200 Mbit/s
 * if an upload takes a second. More of them would need more memory and CPU time, without being faster.
 */
const MAX_LARGE_BYTES = 24 * MIB;

/** Larger blobs count as this many bytes, so that at least 6 of them are uploaded at once. */
const MAX_COUNTED_BYTES = MAX_LARGE_BYTES / 6;

/** Limits concurrent uploads to a registry, each of which uses its own HTTP/1.1 connection. */
export class UploadSlots {
  readonly #small: Limiter;
  readonly #large: Limiter;
  readonly #weightOf: (size: number) => number;

  /** @param concurrency - the maximum number of concurrent uploads. Default: the limits above, and 32 small blobs */
  constructor(concurrency: number | undefined) {
    this.#small = new Limiter(concurrency ?? defaults.concurrency);
    this.#large = new Limiter(concurrency ?? MAX_LARGE_BYTES);
    this.#weightOf = (size) => (concurrency === undefined ? Math.min(size, MAX_COUNTED_BYTES) : 1);
  }

  /**
   * Runs an upload as soon as the limit permits it.
   * @param size - the length of the blob in bytes
   */
  run<T>(size: number, upload: () => Promise<T>): Promise<T> {
    if (size < LARGE_BLOB_BYTES) return this.#small.run(upload);
    return this.#large.run(upload, this.#weightOf(size));
  }
}

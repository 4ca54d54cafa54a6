const MIB = 1024 * 1024;

/**
 * Limits for the size of a chunk. They apply if a registry requests chunks, or if a request with the whole blob has
 * failed.
 */
const LARGEST = 64 * MIB;
const SMALLEST = MIB;
const SMALLEST_AFTER_BREAK = 8 * MIB;

/**
 * Determines how many bytes each request of an upload sends. The whole blob is sent in one request, unless the registry
 * requests chunks, or such a request has failed.
 */
export class UploadChunk {
  readonly #blobSize: number;
  #size = Number.POSITIVE_INFINITY;
  #minimum = 0;
  #isDisabled = false;

  constructor(blobSize: number) {
    this.#blobSize = blobSize;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Sets the minimum chunk size that the registry requires, and switches to chunks. Has no effect if the header is
   * missing or invalid, or after `disable`.
   * @param header - `OCI-Chunk-Min-Length`
   */
  setMinimum(header: string | undefined): void {
    const minimum = Number(header);
    if (this.#isDisabled || !Number.isSafeInteger(minimum) || minimum < 0) return;
    this.#minimum = minimum;
    this.#size = Math.min(this.#size, Math.max(LARGEST, minimum));
  }

  /**
   * Reduces the size after a 413: halves it, to at most 64 MiB, but not below 1 MiB or the registry's minimum.
   * @returns whether the size was reduced
   */
  halve(): boolean {
    const smallest = Math.max(SMALLEST, this.#minimum);
    const size = Math.min(this.#size, this.#blobSize);
    if (this.#isDisabled || size <= smallest) return false;
    this.#size = Math.max(smallest, Math.min(LARGEST, Math.floor(size / 2)));
    return true;
  }

  /**
   * Calls `halve` after a broken connection, because the request may have been too large. Has no effect if requests are
   * smaller than 16 MiB or 16 times the registry's minimum.
   */
  halveAfterBreak(): void {
    if (Math.min(this.#size, this.#blobSize) >= 2 * Math.max(SMALLEST_AFTER_BREAK, 8 * this.#minimum)) this.halve();
  }

  /**
   * Switches to one request for the whole blob after the registry has refused chunks.
   * @returns whether the blob was sent in chunks before
   */
  disable(): boolean {
    const wasChunked = this.#size < this.#blobSize;
    this.#isDisabled = true;
    this.#size = Number.POSITIVE_INFINITY;
    return wasChunked;
  }
}

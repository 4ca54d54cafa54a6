const MIB = 1024 * 1024;

/** Sizes of a chunk, if a registry asks for chunks or does not accept the whole blob in one request. */
const LARGEST = 64 * MIB;
const SMALLEST = MIB;
const SMALLEST_AFTER_BREAK = 8 * MIB;

/** How many bytes of a blob one request carries: all, until the registry asks for chunks or refuses the whole blob. */
export class UploadChunk {
  readonly #blobSize: number;
  #size = Number.POSITIVE_INFINITY;
  #least = 0;
  #isDisabled = false;

  constructor(blobSize: number) {
    this.#blobSize = blobSize;
  }

  get size(): number {
    return this.#size;
  }

  /** @param header - `OCI-Chunk-Min-Length` */
  setLeast(header: string | undefined): void {
    const least = Number(header);
    if (this.#isDisabled || !Number.isSafeInteger(least) || least < 0) return;
    this.#least = least;
    this.#size = Math.min(this.#size, Math.max(LARGEST, least));
  }

  /** After 413: halves the size, down to exactly 1 MiB. @returns whether that was possible */
  halve(): boolean {
    const smallest = Math.max(SMALLEST, this.#least);
    const size = Math.min(this.#size, this.#blobSize);
    if (this.#isDisabled || size <= smallest) return false;
    this.#size = Math.max(smallest, Math.min(LARGEST, Math.floor(size / 2)));
    return true;
  }

  /** After a connection that broke, perhaps because the request was too large: halves the size, but not below 8 MiB. */
  halveAfterBreak(): void {
    if (Math.min(this.#size, this.#blobSize) >= 2 * Math.max(SMALLEST_AFTER_BREAK, 8 * this.#least)) this.halve();
  }

  /** After a refusal of chunks: sends the whole blob in one request. @returns whether it was sent in chunks before */
  disable(): boolean {
    const wasChunked = this.#size < this.#blobSize;
    this.#isDisabled = true;
    this.#size = Number.POSITIVE_INFINITY;
    return wasChunked;
  }
}

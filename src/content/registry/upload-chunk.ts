const MIB = 1024 * 1024;

/** What one request carries where a registry asks for chunks, or does not accept the blob as a whole. */
const LARGEST = 64 * MIB;
const SMALLEST = MIB;
const SMALLEST_AFTER_BREAK = 8 * MIB;

/** How many bytes of a blob one request carries. All, until a registry asks for chunks or refuses the whole. */
export class UploadChunk {
  readonly #blobSize: number;
  #size = Number.POSITIVE_INFINITY;
  #least = 0;
  #isRefused = false;

  constructor(blobSize: number) {
    this.#blobSize = blobSize;
  }

  get size(): number {
    return this.#size;
  }

  /** @param header - `OCI-Chunk-Min-Length` */
  setLeast(header: string | undefined): void {
    const least = Number(header);
    if (this.#isRefused || !Number.isSafeInteger(least) || least < 0) return;
    this.#least = least;
    this.#size = Math.min(this.#size, Math.max(LARGEST, least));
  }

  /** After 413: halves the size, down to exactly 1 MiB. @returns whether that was possible */
  halve(): boolean {
    const smallest = Math.max(SMALLEST, this.#least);
    const size = Math.min(this.#size, this.#blobSize);
    if (this.#isRefused || size <= smallest) return false;
    this.#size = Math.max(smallest, Math.min(LARGEST, Math.floor(size / 2)));
    return true;
  }

  /** After a connection that broke, perhaps because the request was too large: halves the size, but not below 8 MiB. */
  halveAfterBreak(): void {
    if (Math.min(this.#size, this.#blobSize) >= 2 * Math.max(SMALLEST_AFTER_BREAK, 8 * this.#least)) this.halve();
  }

  /** The registry does not accept chunks: the whole blob goes in one request. @returns whether it went in chunks before */
  unite(): boolean {
    const wasChunked = this.#size < this.#blobSize;
    this.#isRefused = true;
    this.#size = Number.POSITIVE_INFINITY;
    return wasChunked;
  }
}

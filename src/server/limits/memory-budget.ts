import { totalmem } from 'node:os';
import { constrainedMemory } from 'node:process';
import type { MemoryAccount } from '../../store/memory-bytes.ts';
import { byteSize } from '../../text/quantity.ts';
import { RequestError } from '../request-error.ts';

/** The default limit: half of the memory that this process may use. */
export function defaultMemory(): number {
  // For a process without a limit, Node reports 0 or a number above the physical memory.
  const limit = constrainedMemory() || Infinity;
  return Math.floor(Math.min(limit, totalmem()) / 2);
}

/** Counts the memory for stored content and for manifests in requests, and enforces the limit. */
export class MemoryBudget implements MemoryAccount {
  readonly limit: number;
  #used = 0;
  #evict: ((bytes: number) => void) | undefined;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** The number of reserved bytes. */
  get used(): number {
    return this.#used;
  }

  /**
   * Sets the function that `reserve` calls if the limit would be exceeded. The function should release at least the
   * given number of bytes.
   */
  onFull(evict: (bytes: number) => void): void {
    this.#evict = evict;
  }

  /**
   * Reserves bytes before they are used.
   * @throws RequestError 507 if the limit would be exceeded
   */
  reserve(bytes: number): void {
    if (this.#used + bytes > this.limit) this.#evict?.(this.#used + bytes - this.limit);
    if (this.#used + bytes > this.limit) {
      const message = `the request exceeds the memory limit of the registry: ${byteSize(this.#used)} of ${byteSize(this.limit)} are in use`;
      throw new RequestError(507, { code: 'UNAVAILABLE', message });
    }
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}

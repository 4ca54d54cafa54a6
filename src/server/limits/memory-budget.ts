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

/** Counts the memory that the registry uses for content and for documents in requests, and enforces its limit. */
export class MemoryBudget implements MemoryAccount {
  readonly limit: number;
  #used = 0;
  #evict: ((bytes: number) => void) | undefined;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes that are held at the moment. */
  get used(): number {
    return this.#used;
  }

  /** Sets a function that is called at the limit. It should free at least the number of bytes that it is given. */
  onFull(evict: (bytes: number) => void): void {
    this.#evict = evict;
  }

  /** Counts bytes before they are used. @throws RequestError 507 if the limit would be exceeded */
  reserve(bytes: number): void {
    if (this.#used + bytes > this.limit) this.#evict?.(this.#used + bytes - this.limit);
    if (this.#used + bytes > this.limit) {
      const message = `the memory limit of the registry is exceeded: ${byteSize(this.#used)} of ${byteSize(this.limit)} are in use`;
      throw new RequestError(507, { code: 'UNAVAILABLE', message });
    }
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}

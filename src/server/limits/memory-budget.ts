import { totalmem } from 'node:os';
import { constrainedMemory } from 'node:process';
import type { MemoryAccount } from '../../store/memory-bytes.ts';
import { byteSize } from '../../text/quantity.ts';
import { RequestError } from '../request-error.ts';

/** Half of the memory that this process may use. */
export function defaultMemory(): number {
  // A process without a limit reports 0 or a number that is larger than the memory.
  const limit = constrainedMemory() || Infinity;
  return Math.floor(Math.min(limit, totalmem()) / 2);
}

/** The memory that the registry may hold for content and for documents in requests. */
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

  /** Sets a function that frees at least this number of bytes if it can. It is called when the limit is reached. */
  onFull(evict: (bytes: number) => void): void {
    this.#evict = evict;
  }

  /** @throws RequestError 507 if the limit would be exceeded */
  reserve(bytes: number): void {
    if (this.#used + bytes > this.limit) this.#evict?.(this.#used + bytes - this.limit);
    if (this.#used + bytes > this.limit) {
      const message = `the registry holds ${byteSize(this.#used)} in memory, and its limit is ${byteSize(this.limit)}`;
      throw new RequestError(507, { code: 'UNAVAILABLE', message });
    }
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}

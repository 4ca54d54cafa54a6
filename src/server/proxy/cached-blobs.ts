import type { Digest } from '../../oci/digest.ts';
import { MemoryStore } from '../../store/memory.ts';
import type { MemoryBudget } from '../limits/memory-budget.ts';
import type { Repository } from '../storage.ts';
import type { ProxyTarget } from './proxy-upstream.ts';

interface CachedBlob {
  readonly repository: Repository;
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Tracks the blobs of upstreams that are cached in memory. If the memory is full, the least recently used blobs are
 * removed, because they can be fetched again.
 */
export class CachedBlobs {
  readonly #blobs = new Map<string, CachedBlob>();

  constructor(memory: MemoryBudget) {
    memory.onFull((bytes) => this.#evict(bytes));
  }

  /** Records that a blob was used. Ignores blobs on disk, because removing them would free no memory. */
  touch({ cacheName }: ProxyTarget, blob: CachedBlob): void {
    if (!(blob.repository instanceof MemoryStore)) return;
    const key = `${cacheName} ${blob.digest}`;
    this.#blobs.delete(key);
    this.#blobs.set(key, blob);
  }

  #evict(bytes: number): void {
    let freed = 0;
    for (const [key, { repository, digest, size }] of this.#blobs) {
      if (freed >= bytes) return;
      this.#blobs.delete(key);
      freed += size;
      // An error means that the blob was already deleted. Its removal then frees no memory, but `reserve` checks the
      // limit again.
      repository.deleteBlob(digest).catch(() => undefined);
    }
  }
}

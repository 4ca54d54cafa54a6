import type { BigIntStats } from 'node:fs';
import type { Digest } from '../../oci/digest.ts';

/** Milliseconds after which a file is verified again, because a disk may damage it without a change of its version. */
const KNOWN_MS = 60 * 60 * 1000;

/** Limits the memory for large repositories. */
const MAX_KNOWN = 10_000;

/**
 * The version of a file, which changes with every write to it; undefined if the file system stores times in whole seconds,
 * so that a change may not be visible.
 */
export function fileVersion({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string | undefined {
  return ctimeNs % 1_000_000_000n === 0n ? undefined : [dev, ino, size, mtimeNs, ctimeNs].join();
}

/**
 * The blobs that this process has received or verified. A blob whose file is unchanged is not hashed again each time it
 * is sent.
 */
export class VerifiedFiles {
  readonly #known = new Map<Digest, { readonly version: string; readonly until: number }>();

  /** @param version - the version of the file before it was verified, which it still had afterwards */
  add(digest: Digest, version: string | undefined): void {
    this.#known.delete(digest);
    if (version === undefined) return;
    this.#known.set(digest, { version, until: performance.now() + KNOWN_MS });
    const [oldest] = this.#known.size > MAX_KNOWN ? this.#known.keys() : [];
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  has(digest: Digest, version: string | undefined): boolean {
    const known = this.#known.get(digest);
    return version !== undefined && known?.version === version && performance.now() < known.until;
  }
}

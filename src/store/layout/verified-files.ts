import type { BigIntStats } from 'node:fs';
import { RecentMap } from '../../async/recent-map.ts';
import { fileVersion, isFineTime } from '../../fs/file-version.ts';
import type { Digest } from '../../oci/digest.ts';

/** Milliseconds after which a file is verified again, because a disk may damage it without a change of its version. */
const KNOWN_MS = 60 * 60 * 1000;

/** Limits the memory for large repositories. */
const MAX_KNOWN = 10_000;

/**
 * The version of a file, which changes with every write to it; undefined if the file system stores times in whole
 * seconds, so that a change may not be visible.
 */
export function preciseVersion(info: BigIntStats): string | undefined {
  return isFineTime(info.ctimeNs) ? fileVersion(info) : undefined;
}

/**
 * The blobs that this process has received or verified. A blob whose file is unchanged is not hashed again each time it
 * is sent.
 */
export class VerifiedFiles {
  readonly #known = new RecentMap<Digest, { readonly version: string; readonly until: number }>(MAX_KNOWN);

  /** @param version - the version of the file before it was verified, which it still had afterwards */
  add(digest: Digest, version: string | undefined): void {
    if (version === undefined) this.#known.delete(digest);
    else this.#known.set(digest, { version, until: performance.now() + KNOWN_MS });
  }

  has(digest: Digest, version: string | undefined): boolean {
    const known = this.#known.get(digest);
    return version !== undefined && known?.version === version && performance.now() < known.until;
  }
}

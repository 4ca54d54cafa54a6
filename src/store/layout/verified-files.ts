import type { BigIntStats } from 'node:fs';
import { RecentMap } from '../../async/recent-map.ts';
import { fileVersion, isFineTime } from '../../fs/file-version.ts';
import type { Digest } from '../../oci/digest.ts';

/**
 * Time, in milliseconds, after which a file is verified again, because a disk may corrupt it without changing its
 * version.
 */
const KNOWN_MS = 60 * 60 * 1000;

/** Maximum number of blobs to remember. It limits the memory that large repositories need. */
const MAX_KNOWN = 10_000;

/**
 * Returns a version that changes with every write to the file. Returns undefined if the file system stores times in
 * whole seconds, because several writes in the same second would result in the same version.
 */
export function preciseVersion(info: BigIntStats): string | undefined {
  return isFineTime(info.ctimeNs) ? fileVersion(info) : undefined;
}

/**
 * Remembers the blobs that this process has received or verified within the last hour. They are not hashed again each
 * time they are sent, unless their files have changed.
 */
export class VerifiedFiles {
  readonly #known = new RecentMap<Digest, { readonly version: string; readonly until: number }>(MAX_KNOWN);

  /**
   * Records that a blob was verified.
   * @param version - the version of its file. If undefined, because the file has changed during the verification or has
   * no precise version, the blob is forgotten
   */
  add(digest: Digest, version: string | undefined): void {
    if (version === undefined) this.#known.delete(digest);
    else this.#known.set(digest, { version, until: performance.now() + KNOWN_MS });
  }

  has(digest: Digest, version: string | undefined): boolean {
    const known = this.#known.get(digest);
    return version !== undefined && known?.version === version && performance.now() < known.until;
  }
}

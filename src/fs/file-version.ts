import type { BigIntStats } from 'node:fs';

/** The version of a file, which changes with every write to it if the file system stores times precisely enough. */
export function fileVersion({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}

/** Whether a time of a file, in nanoseconds, has fractions of a second. Some file systems store whole seconds only. */
export function isFineTime(nanoseconds: bigint): boolean {
  return nanoseconds % 1_000_000_000n !== 0n;
}

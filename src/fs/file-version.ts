import type { BigIntStats } from 'node:fs';

/** Returns a string that changes with every write to the file, if the file system stores times precisely enough. */
export function fileVersion({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}

/** Whether a file's time, in nanoseconds, has fractions of a second. Some file systems only store whole seconds. */
export function isFineTime(nanoseconds: bigint): boolean {
  return nanoseconds % 1_000_000_000n !== 0n;
}

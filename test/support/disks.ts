import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { errorCode } from '../../src/errors/errors.ts';

/** Temporary file systems, which only root can mount. They are unmounted after each test. */
const mounted: string[] = [];
afterEach(() => {
  for (const folder of mounted.splice(0)) spawnSync('umount', ['-l', folder]);
});

/** Creates a folder and mounts an empty tmpfs on it. @returns false if that is not permitted */
export async function mountDisk(folder: string, bytes = 1024 * 1024): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]).status !== 0) return false;
  mounted.push(folder);
  return true;
}

export async function canMount(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-mount-'));
  const isMounted = process.platform === 'linux' && (await mountDisk(folder));
  if (isMounted) spawnSync('umount', [mounted.pop() ?? '']);
  await rmdir(folder);
  return isMounted;
}

export function makeReadOnly(folder: string): void {
  if (spawnSync('mount', ['-o', 'remount,ro', folder]).status !== 0) throw new Error(`cannot remount ${folder}`);
}

/** Fills the remaining space. */
export async function fill(folder: string): Promise<void> {
  for (let number = 0, bytes = 64 * 1024; bytes > 0; number += 1) {
    const path = join(folder, `.filler${number}`);
    try {
      await writeFile(path, Buffer.alloc(bytes));
    } catch (thrown) {
      if (errorCode(thrown) !== 'ENOSPC') throw thrown;
      await rm(path);
      bytes = Math.floor(bytes / 2);
    }
  }
}

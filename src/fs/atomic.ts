import { open, readdir, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors/errors.ts';
import { writeFailure } from './file-errors.ts';
import { openFiles } from './open-files.ts';
import { uniqueName } from './unique-name.ts';

/** What a file that is being written is called until it is whole. */
const temporary = /^\.(.{1,60})\.[0-9a-f]{16}\.tmp$/;

/** Where a file is written before it takes its place, in the same folder. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 60)}.${uniqueName()}.tmp`);
}

/** A lock that this process holds, as `withLock` gives it. */
export interface HeldLock {
  /**
   * Must precede each change that the lock protects.
   * @throws MlistError `ERR_MLIST_LOCKED` where another process has taken over the lock
   */
  confirm(): Promise<void>;
}

export interface WriteOptions {
  /** File mode; default 0o644, narrowed by the umask. */
  readonly mode?: number | undefined;
  /** The lock that protects the file: where it is lost, the file stays as it was. */
  readonly lock?: HeldLock | undefined;
}

/**
 * Replaces a file so that a crash at any moment leaves the old content or the new, never a part: temporary file in the
 * same folder, fsync, rename, fsync of the folder.
 * @throws MlistError `ERR_MLIST_FILE`, `ERR_MLIST_LOCKED`
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  const writing = temporaryName(path);
  try {
    await openFiles.run(async () => {
      const file = await open(writing, 'wx', options.mode ?? 0o644);
      try {
        await file.writeFile(content);
        await syncFile(file);
      } finally {
        await file.close();
      }
    });
    await renameOver(writing, path, options.lock);
  } catch (error) {
    await unlink(writing).catch(() => undefined);
    throw writeFailure(path, error);
  }
  await syncFolder(dirname(path));
}

/** Windows refuses to replace a file that a virus scanner or a reader holds open for a moment. */
const BUSY = new Set(['EPERM', 'EACCES', 'EBUSY']);
const RENAME_TRIES = 20;

/** @param lock - the lock that protects `to` */
export async function renameOver(from: string, to: string, lock?: HeldLock): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    await lock?.confirm();
    try {
      return await rename(from, to);
    } catch (error) {
      const worthWaiting = process.platform === 'win32' && BUSY.has(errorCode(error) ?? '') && tries < RENAME_TRIES;
      if (!worthWaiting) throw error;
      await sleep(5 * tries);
    }
  }
}

/** How file systems refuse to sync a file or a folder that they have written: vboxsf, some FUSE and SMB mounts. */
const SYNC_REFUSED = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM']);

/**
 * Makes the content of a file survive a power cut, on file systems that can do this.
 * @throws what Node throws where the content could not be stored
 */
export async function syncFile(file: FileHandle): Promise<void> {
  await file.sync().catch((error: unknown) => {
    if (!SYNC_REFUSED.has(errorCode(error) ?? '')) throw error;
  });
}

/**
 * Makes a rename in this folder survive a power cut, on file systems that can do this and in folders that can be opened.
 * Windows has no such call, and does not need it.
 * @throws MlistError `ERR_MLIST_FILE`
 */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    await openFiles.run(async () => {
      const handle = await open(folder, 'r');
      try {
        await syncFile(handle);
      } finally {
        await handle.close();
      }
    });
  } catch (error) {
    // The permission to write into a folder does not include the permission to open it.
    if (errorCode(error) !== 'EACCES') throw writeFailure(folder, error);
  }
}

/**
 * Removes what crashed writers left behind in a folder, if it is older than the age in milliseconds.
 * @param of - only what was to become the file of this name; default: all
 */
export async function removeStaleTemporaries(folder: string, age: number, of?: string): Promise<number> {
  let removed = 0;
  for (const name of await namesIn(folder)) {
    const became = temporary.exec(name)?.[1];
    if (became === undefined || (of !== undefined && became !== of.slice(0, 60))) continue;
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined);
    if (info === undefined || Date.now() - info.mtimeMs < age) continue;
    await unlink(path).then(
      () => (removed += 1),
      () => undefined,
    );
  }
  return removed;
}

/** The names in a folder, sorted; none where there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

import { open, readdir, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors/errors.ts';
import { isNotFound, writeFailure } from './file-errors.ts';
import { processMark, stateOfMarked } from './lock-holder.ts';
import { openFiles } from './open-files.ts';
import { uniqueName } from './unique-name.ts';

/**
 * Matches the names that `temporaryName` creates. The process mark is optional, because not all systems report its
 * values.
 */
const temporary = /^\.(.{1,60})\.[0-9a-f]{16}(_\w+)?\.tmp$/;

/**
 * Returns a new path for a temporary file in the folder of `path`. The name contains the process mark, which lets
 * `removeStaleTemporaries` remove the file after a crash.
 */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 60)}.${uniqueName()}${processMark()}.tmp`);
}

/** A lock that this process holds; see `withLock`. */
export interface HeldLock {
  /**
   * Checks that this process still holds the lock. Must be called immediately before each change that the lock
   * protects.
   * @throws MlistError `ERR_MLIST_LOCKED` if another process has taken over the lock
   */
  confirm(): Promise<void>;
}

export interface WriteOptions {
  /** File mode before the umask is applied. Default 0o644. */
  readonly mode?: number | undefined;
  /** The lock that protects the file. If another process has taken over the lock, the file is not replaced. */
  readonly lock?: HeldLock | undefined;
}

/**
 * Replaces a file atomically: after a crash, it has either the old or the new content. Writes a temporary file in the
 * same folder, and then calls fsync, rename, and fsync of the folder.
 * @throws MlistError `ERR_MLIST_FILE` if the file cannot be written; `ERR_MLIST_LOCKED` if another process has taken
 * over the lock
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  const temporaryPath = temporaryName(path);
  try {
    await openFiles.run(async () => {
      const file = await open(temporaryPath, 'wx', options.mode ?? 0o644);
      try {
        await file.writeFile(content);
        await syncFile(file);
      } finally {
        await file.close();
      }
    });
    await renameOver(temporaryPath, path, options.lock);
  } catch (error) {
    await unlink(temporaryPath).catch(() => undefined);
    throw writeFailure(path, error);
  }
  await syncFolder(dirname(path));
}

/**
 * The error codes that Windows reports if a file cannot be replaced because another program, such as a virus scanner,
 * has it open.
 */
const BUSY = new Set(['EPERM', 'EACCES', 'EBUSY']);
const RENAME_TRIES = 20;

/**
 * Renames a file and replaces the target. On Windows, retries for about 1 s if another program has the target open.
 * @param lock - the lock that protects `to`
 * @throws Node's error if the file cannot be renamed; MlistError `ERR_MLIST_LOCKED` if another process has taken over
 * the lock
 */
export async function renameOver(from: string, to: string, lock?: HeldLock): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    await lock?.confirm();
    try {
      return await rename(from, to);
    } catch (error) {
      const isBusy = process.platform === 'win32' && BUSY.has(errorCode(error) ?? '');
      if (!isBusy || tries >= RENAME_TRIES) throw error;
      await sleep(5 * tries);
    }
  }
}

/** The error codes of fsync on file systems that do not support it, such as vboxsf and some FUSE and SMB mounts. */
const SYNC_REFUSED = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM']);

/**
 * Makes the content of a file survive a power failure, if the file system supports fsync.
 * @throws Node's error if the content could not be stored
 */
export async function syncFile(file: FileHandle): Promise<void> {
  await file.sync().catch((error: unknown) => {
    if (!SYNC_REFUSED.has(errorCode(error) ?? '')) throw error;
  });
}

/** Like `syncFile`, but does not store the times of the file (fdatasync). */
export async function syncData(file: FileHandle): Promise<void> {
  await file.datasync().catch((error: unknown) => {
    if (!SYNC_REFUSED.has(errorCode(error) ?? '')) throw error;
  });
}

/**
 * Makes a rename in this folder survive a power failure, if the file system supports fsync and the folder can be
 * opened. Does nothing on Windows, which cannot sync folders.
 * @throws MlistError `ERR_MLIST_FILE` if the rename could not be stored
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
    // A folder with write but without read permission cannot be opened. The rename has succeeded even so.
    if (errorCode(error) !== 'EACCES') throw writeFailure(folder, error);
  }
}

/**
 * Removes the temporary files that crashed processes have left in a folder. A file is removed if its process has
 * certainly ended, or if the state of the process is unknown and the file is old enough.
 * @param age - minimum age in milliseconds if the state of the process is unknown
 * @param of - remove only the temporary files that were written for a file with this name; default: all
 * @returns the number of removed files
 */
export async function removeStaleTemporaries(folder: string, age: number, of?: string): Promise<number> {
  let removed = 0;
  for (const name of await listFolder(folder)) {
    const [, target, mark = ''] = temporary.exec(name) ?? [];
    if (target === undefined || (of !== undefined && target !== of.slice(0, 60))) continue;
    const path = join(folder, name);
    const state = stateOfMarked(mark);
    const info = state === 'unknown' ? await stat(path).catch(() => undefined) : undefined;
    const isOld = info !== undefined && Date.now() - info.mtimeMs >= age;
    if (state !== 'dead' && !isOld) continue;
    await unlink(path).then(
      () => (removed += 1),
      () => undefined,
    );
  }
  return removed;
}

/** Removes a file. Returns false if it does not exist, for example because another process has removed it. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Returns the names in a folder in alphabetical order, or an empty array if the folder does not exist. */
export async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

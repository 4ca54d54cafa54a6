import { open, readdir, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors/errors.ts';
import { isNotFound, writeFailure } from './file-errors.ts';
import { processMark, stateOfMarked } from './lock-holder.ts';
import { openFiles } from './open-files.ts';
import { uniqueName } from './unique-name.ts';

/**
 * Names of temporary files, as `temporaryName` creates them. The names of older versions do not contain the process.
 */
const temporary = /^\.(.{1,60})\.[0-9a-f]{16}(_\w+)?\.tmp$/;

/**
 * A new temporary path in the same folder; the file is renamed to `path` when it is complete. The name identifies this
 * process, so that the file can be removed after a crash.
 */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 60)}.${uniqueName()}${processMark()}.tmp`);
}

/** A lock that this process holds; see `withLock`. */
export interface HeldLock {
  /**
   * Must be called immediately before each change that the lock protects.
   * @throws MlistError `ERR_MLIST_LOCKED` if another process has taken over the lock
   */
  confirm(): Promise<void>;
}

export interface WriteOptions {
  /** File mode, to which the umask applies. Default 0o644. */
  readonly mode?: number | undefined;
  /** The lock that protects the file. If another process has taken over the lock, the file is not replaced. */
  readonly lock?: HeldLock | undefined;
}

/**
 * Replaces a file atomically: after a crash, it has either the old or the new content. Writes a temporary file in the
 * same folder, and then calls fsync, rename, and fsync of the folder.
 * @throws MlistError `ERR_MLIST_FILE`, `ERR_MLIST_LOCKED`
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
 * Codes of errors with which Windows refuses to replace a file that another program, such as a virus scanner, has open.
 */
const BUSY = new Set(['EPERM', 'EACCES', 'EBUSY']);
const RENAME_TRIES = 20;

/**
 * Renames a file and replaces the target.
 * @param lock - the lock that protects `to`
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

/** Codes of errors of file systems that do not support fsync: vboxsf, some FUSE and SMB mounts. */
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
 * opened. Windows neither has nor needs such a call.
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
    // A folder may permit writing but not reading, so that it cannot be opened.
    if (errorCode(error) !== 'EACCES') throw writeFailure(folder, error);
  }
}

/**
 * Removes temporary files that crashed processes have left in a folder: those of processes that have certainly ended,
 * and those of unknown processes that are old enough.
 * @param age - minimum age in milliseconds
 * @param of - name of the file that they were written for; default: any
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

/**
 * Removes a file.
 * @returns false if it does not exist, for example because another process has removed it
 */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** The names in a folder, sorted; empty if the folder does not exist. */
export async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

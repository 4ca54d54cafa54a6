import { statSync } from 'node:fs';
import { link, open, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../errors/errors.ts';
import { temporaryName } from './atomic.ts';
import { isExhausted, readFailure, writeFailure } from './file-errors.ts';
import { parseHolder, thisProcess, type Holder } from './lock-holder.ts';
import { readRegularSync } from './read-file.ts';

/** The content of a lock file and its modification time, which is the time of the last heartbeat. */
export interface LockFile {
  /** The holder of the lock. Undefined if the content of the file is invalid or cannot be read. */
  readonly holder: Holder | undefined;
  /** The time of the last heartbeat in milliseconds, according to the clock of the file system. */
  readonly touched: number;
}

/**
 * Creates the lock file unless it exists. It is created as a hard link to a complete file, so other processes never see
 * it without its content. On file systems without hard links, it is written in place.
 * @returns the current time in milliseconds according to the clock of the file system, for comparison with `touched`
 * @throws MlistError `ERR_MLIST_FILE` if the folder cannot be written to
 */
export async function createLockFile(path: string, token: string): Promise<number> {
  const content = JSON.stringify({ ...thisProcess(), token } satisfies Holder);
  const temporary = temporaryName(path);
  try {
    await writeFile(temporary, content, { flag: 'wx' });
    const { mtimeMs } = await stat(temporary);
    await link(temporary, path)
      .catch(() => writeFile(path, content, { flag: 'wx' }))
      .catch((error: unknown) => {
        if (errorCode(error) !== 'EEXIST') throw error;
      });
    return mtimeMs;
  } catch (error) {
    throw writeFailure(dirname(path), error);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

/**
 * Reads a lock file. Returns undefined if it does not exist. The file is opened before its time is read, because
 * network file systems may otherwise report a cached time.
 * @throws MlistError `ERR_MLIST_FILE` if too many files are open
 */
export function readLockFile(path: string): LockFile | undefined {
  let holder: Holder | undefined;
  try {
    holder = parseHolder(readRegularSync(path));
  } catch (error) {
    if (isExhausted(error)) throw readFailure(path, error);
  }
  const info = statSync(path, { throwIfNoEntry: false });
  return info && { holder, touched: info.mtimeMs };
}

/** Whether the lock is still held by the holder with this token. */
export function isHeld(path: string, token: string): boolean {
  return readLockFile(path)?.holder?.token === token;
}

/**
 * Writes a heartbeat if the lock is still held with this token. Rewrites the first character of the file, because this
 * makes the file system set the modification time by its own clock. Callers can ignore a failure, because they confirm
 * the lock before each change.
 */
export async function writeHeartbeat(path: string, token: string): Promise<void> {
  if (!isHeld(path, token)) return;
  const file = await open(path, 'r+');
  await file.write('{', 0).finally(() => file.close());
}

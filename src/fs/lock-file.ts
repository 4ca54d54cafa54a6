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
  /** The holder that the file names; undefined if it names none, or cannot be read. */
  readonly holder: Holder | undefined;
  /** Time of the last heartbeat, in milliseconds of the file system's clock. */
  readonly touched: number;
}

/**
 * Creates the lock file unless it exists. It is created as a hard link, so that it appears together with its content,
 * except on file systems without hard links.
 * @returns the current time by the clock of the file system, which also dates the heartbeats of other machines
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
 * Reads a lock file; undefined if it does not exist. The file is opened before its time is read, because network file
 * systems may otherwise report a cached time.
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

/** Whether the lock file contains this token, so that its holder is unchanged. */
export function isHeld(path: string, token: string): boolean {
  return readLockFile(path)?.holder?.token === token;
}

/**
 * Writes a heartbeat: the first character of the file again, so that the file system sets the modification time by its
 * own clock. A failure can be ignored, because the lock is confirmed before each change.
 */
export async function writeHeartbeat(path: string, token: string): Promise<void> {
  if (!isHeld(path, token)) return;
  const file = await open(path, 'r+');
  await file.write('{', 0).finally(() => file.close());
}

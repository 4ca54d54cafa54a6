import { closeSync, constants, fstatSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { link, open, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, MlistError } from '../errors/errors.ts';
import { temporaryName, type HeldLock } from './atomic.ts';
import { readFailure, writeFailure } from './file-errors.ts';
import { isDead, parseHolder, thisProcess, type Holder } from './lock-holder.ts';
import { nonBlocking } from './read-file.ts';
import { uniqueName } from './unique-name.ts';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a lock that another process holds. Default 10 000. */
  readonly waitMs?: number | undefined;
  /** What is locked, for the error. Default: the path of the lock. */
  readonly subject?: string | undefined;
}

const WAIT_MS = 10_000;
const HEARTBEAT_MS = 5_000;
const EXPIRY_MS = 30_000;

/**
 * Runs `work` while holding the lock at `path`, whose folder must exist. The lock file names its holder, which rewrites it
 * as a heartbeat. A lock is broken at once if its holder is certainly dead, else after 30 seconds without a heartbeat
 * (docs/decisions/0004-locks.md).
 * @throws MlistError `ERR_MLIST_LOCKED` where another process holds it for longer than the wait
 */
export async function withLock<T>(
  path: string,
  work: (lock: HeldLock) => Promise<T> | T,
  options: LockOptions = {},
): Promise<T> {
  const token = await acquire(path, options);
  const heartbeat = setInterval(() => void touch(path, token), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work({ confirm: () => confirm(path, token, options) });
  } finally {
    // A lock that cannot be removed is broken by the next process.
    await remove(path, ({ holder }) => holder?.token === token, {}).catch(() => undefined);
    clearInterval(heartbeat);
  }
}

async function acquire(path: string, options: LockOptions): Promise<string> {
  const token = uniqueName();
  const deadline = performance.now() + (options.waitMs ?? WAIT_MS);
  for (let tries = 1; ; tries += 1) {
    options.signal?.throwIfAborted();
    const now = await take(path, token);
    const found = find(path);
    if (found?.holder?.token === token) return token;
    const isAlive = found === undefined || now - found.touched < 2 * HEARTBEAT_MS;
    if (found !== undefined && isStale(found, now)) await remove(path, isStale, options);
    else if (isAlive && performance.now() >= deadline) throw locked(path, found?.holder, options);
    const pause = Math.min(tries * 2, 50) * (0.5 + Math.random());
    await sleep(pause, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/**
 * Puts the lock file in its place if there is none: whole, by a hard link, where the file system has them.
 * @returns the time by the clock of the file system, which dates the heartbeats of all machines
 */
async function take(path: string, token: string): Promise<number> {
  const content = JSON.stringify({ ...thisProcess(), token } satisfies Holder);
  const written = temporaryName(path);
  try {
    await writeFile(written, content, { flag: 'wx' });
    const { mtimeMs } = await stat(written);
    await link(written, path)
      .catch((error: unknown) => {
        if (errorCode(error) === 'EEXIST') throw error;
        return writeFile(path, content, { flag: 'wx' });
      })
      .catch((error: unknown) => {
        if (errorCode(error) !== 'EEXIST') throw error;
      });
    return mtimeMs;
  } catch (error) {
    throw writeFailure(dirname(path), error);
  } finally {
    await unlink(written).catch(() => undefined);
  }
}

/** A lock file; its holder is undefined where it cannot be read. */
interface Found {
  readonly holder: Holder | undefined;
  /** Time of the last heartbeat, in milliseconds by the clock of the file system. */
  readonly touched: number;
}

const MAX_BYTES = 4096;

/** Opening the file also makes network file systems report its time as it is now. */
function find(path: string): Found | undefined {
  try {
    const file = openSync(path, constants.O_RDONLY | nonBlocking);
    try {
      const { mtimeMs } = fstatSync(file);
      const buffer = Buffer.alloc(MAX_BYTES);
      const text = buffer.toString('utf8', 0, readSync(file, buffer));
      return { holder: parseHolder(text), touched: mtimeMs };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'ENOENT') return undefined;
    if (!['EACCES', 'EPERM', 'EISDIR', 'EAGAIN'].includes(code)) throw readFailure(path, error);
    const info = statSync(path, { throwIfNoEntry: false });
    return info && { holder: undefined, touched: info.mtimeMs };
  }
}

function isStale({ holder, touched }: Found, now: number): boolean {
  return (holder !== undefined && isDead(holder)) || now - touched > EXPIRY_MS;
}

/**
 * Removes a lock file if it meets the condition. It is examined while this process holds the lock `<path>.break`, without
 * which nobody removes it, so it is still the same file when it is removed. The break lock itself is released without
 * another one, since nothing is awaited once it is held.
 */
async function remove(
  path: string,
  condition: (found: Found, now: number) => boolean,
  options: LockOptions,
): Promise<void> {
  const breakLock = `${path}.break`;
  const token = await acquire(breakLock, options);
  try {
    const [own, found] = [find(breakLock), find(path)];
    const isHeld = own?.holder?.token === token;
    if (isHeld && found !== undefined && condition(found, own.touched)) rmSync(path, { force: true });
  } catch (error) {
    throw writeFailure(path, error);
  } finally {
    if (find(breakLock)?.holder?.token === token) rmSync(breakLock, { force: true });
  }
}

/** Rewrites the lock file with what it contains, so that the file system dates it by its own clock. */
async function touch(path: string, token: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    try {
      const bytes = await file.readFile();
      if (parseHolder(bytes.toString())?.token === token) await file.write(bytes, 0, bytes.length, 0);
    } finally {
      await file.close();
    }
  } catch {
    // Whether the lock is still held is checked before anything is changed.
  }
}

/** The heartbeat comes first, so that no other process breaks the lock before the change that follows. */
async function confirm(path: string, token: string, { subject = path }: LockOptions): Promise<void> {
  await touch(path, token);
  if (find(path)?.holder?.token === token) return;
  throw new MlistError('ERR_MLIST_LOCKED', `${subject} was not changed: another process has taken over its lock`, {
    path,
    hint: 'This happens to a process that was suspended for 30 seconds. Run the command again.',
  });
}

function locked(path: string, holder: Holder | undefined, { subject = path }: LockOptions): MlistError {
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return new MlistError('ERR_MLIST_LOCKED', `${subject} is locked by ${who}`, {
    path,
    hint: 'Wait for the other command to end and run this one again.',
  });
}

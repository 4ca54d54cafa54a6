import { rmSync, statSync } from 'node:fs';
import { link, open, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, MlistError } from '../errors/errors.ts';
import { temporaryName, type HeldLock } from './atomic.ts';
import { isExhausted, readFailure, writeFailure } from './file-errors.ts';
import { isDead, parseHolder, thisProcess, type Holder } from './lock-holder.ts';
import { readRegularSync } from './read-file.ts';
import { uniqueName } from './unique-name.ts';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a lock that another process holds. Default 10 000. */
  readonly waitMs?: number | undefined;
  /** Name of the locked resource in error messages. Default: the path of the lock. */
  readonly subject?: string | undefined;
}

const WAIT_MS = 10_000;
const HEARTBEAT_MS = 5_000;
const EXPIRY_MS = 30_000;

/**
 * Runs `work` while holding the lock at `path`, in a folder that must exist. The lock file names its holder, which writes
 * to it as a heartbeat. A lock is broken at once if its holder is certainly dead, else after 30 seconds without a heartbeat
 * (docs/decisions/0004-locks.md).
 * @throws MlistError `ERR_MLIST_LOCKED` if another process holds the lock for longer than the wait
 */
export async function withLock<T>(
  path: string,
  work: (lock: HeldLock) => Promise<T> | T,
  options: LockOptions = {},
): Promise<T> {
  const token = await acquire(path, options);
  const heartbeat = setInterval(() => void touch(path, token).catch(() => undefined), HEARTBEAT_MS);
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
  let deadline: number | undefined;
  for (let tries = 1; ; tries += 1) {
    options.signal?.throwIfAborted();
    const now = await create(path, token);
    const found = find(path);
    if (found?.holder?.token === token) return token;
    deadline ??= performance.now() + (options.waitMs ?? WAIT_MS);
    const isLate = found !== undefined && now - found.touched >= 2 * HEARTBEAT_MS;
    if (found !== undefined && isStale(found, now)) await remove(path, isStale, options);
    else if (!isLate && performance.now() >= deadline) throw locked(path, found?.holder, options);
    const pause = Math.min(tries * 2, 50) * (0.5 + Math.random());
    await sleep(pause, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/**
 * Creates the lock file unless it exists. A hard link makes it appear with its content; some file systems have none.
 * @returns the current time by the clock of the file system, which also dates the heartbeats of other machines
 */
async function create(path: string, token: string): Promise<number> {
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

interface LockFile {
  /** Undefined if the file does not name a holder, or cannot be read. */
  readonly holder: Holder | undefined;
  /** Time of the last heartbeat, in milliseconds by the clock of the file system. */
  readonly touched: number;
}

/** The file is opened before its time is read, so that network file systems do not report a cached time. */
function find(path: string): LockFile | undefined {
  let holder: Holder | undefined;
  try {
    holder = parseHolder(readRegularSync(path));
  } catch (error) {
    if (isExhausted(error)) throw readFailure(path, error);
  }
  const info = statSync(path, { throwIfNoEntry: false });
  return info && { holder, touched: info.mtimeMs };
}

function isHeld(path: string, token: string): boolean {
  return find(path)?.holder?.token === token;
}

function isStale({ holder, touched }: LockFile, now: number): boolean {
  return (holder !== undefined && isDead(holder)) || now - touched > EXPIRY_MS;
}

/**
 * Removes a lock file that meets the condition. Every process that removes one holds the lock `<path>.break` meanwhile,
 * so the file that is removed is the one that was examined. The break lock itself is removed without a further lock:
 * nothing is awaited while it is held.
 */
async function remove(
  path: string,
  condition: (found: LockFile, now: number) => boolean,
  options: LockOptions,
): Promise<void> {
  const breakLock = `${path}.break`;
  const token = await acquire(breakLock, options);
  try {
    const [own, found] = [find(breakLock), find(path)];
    if (own?.holder?.token !== token || found === undefined) return;
    if (condition(found, own.touched)) rmSync(path, { force: true });
  } finally {
    if (isHeld(breakLock, token)) rmSync(breakLock, { force: true });
  }
}

/**
 * Writes a heartbeat: the first character of the file again, so that the file system dates it by its own clock. A failure
 * can be ignored, because the lock is confirmed before each change.
 */
async function touch(path: string, token: string): Promise<void> {
  if (!isHeld(path, token)) return;
  const file = await open(path, 'r+');
  await file.write('{', 0).finally(() => file.close());
}

/** The heartbeat comes first, so that no other process breaks the lock before the change that follows. */
async function confirm(path: string, token: string, { subject = path }: LockOptions): Promise<void> {
  await touch(path, token).catch(() => undefined);
  if (isHeld(path, token)) return;
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

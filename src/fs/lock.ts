import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MlistError } from '../errors/errors.ts';
import type { HeldLock } from './atomic.ts';
import { createLockFile, isHeld, readLockFile, writeHeartbeat, type LockFile } from './lock-file.ts';
import { isDead, type Holder } from './lock-holder.ts';
import { uniqueName } from './unique-name.ts';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Maximum time, in milliseconds, to wait for a lock whose holder still writes heartbeats. Default 10 000. */
  readonly waitMs?: number | undefined;
  /** Name of the locked resource in error messages. Default: the path of the lock. */
  readonly subject?: string | undefined;
}

const WAIT_MS = 10_000;
const HEARTBEAT_MS = 5_000;
const EXPIRY_MS = 30_000;

/**
 * Runs `work` while holding the lock at `path`. The folder of `path` must exist. The lock file identifies its holder,
 * which regularly writes a heartbeat to the file. The lock of another process is removed at once if that process has
 * certainly ended, otherwise after 30 seconds without a heartbeat (docs/decisions/0004-locks.md).
 * @throws MlistError `ERR_MLIST_LOCKED` if another process still holds the lock after `waitMs`
 */
export async function withLock<T>(
  path: string,
  work: (lock: HeldLock) => Promise<T> | T,
  options: LockOptions = {},
): Promise<T> {
  const token = await acquire(path, options);
  const heartbeat = setInterval(() => void writeHeartbeat(path, token).catch(() => undefined), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work({ confirm: () => confirm(path, token, options) });
  } finally {
    // If the lock cannot be removed, the next process breaks it.
    await remove(path, ({ holder }) => holder?.token === token, {}).catch(() => undefined);
    clearInterval(heartbeat);
  }
}

async function acquire(path: string, options: LockOptions): Promise<string> {
  const token = uniqueName();
  let deadline: number | undefined;
  for (let tries = 1; ; tries += 1) {
    options.signal?.throwIfAborted();
    const now = await createLockFile(path, token);
    const found = readLockFile(path);
    if (found?.holder?.token === token) return token;
    deadline ??= performance.now() + (options.waitMs ?? WAIT_MS);
    const isLate = found !== undefined && now - found.touched >= 2 * HEARTBEAT_MS;
    if (found !== undefined && isStale(found, now)) await remove(path, isStale, options);
    else if (!isLate && performance.now() >= deadline) throw locked(path, found?.holder, options);
    const pause = Math.min(tries * 2, 50) * (0.5 + Math.random());
    await sleep(pause, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

function isStale({ holder, touched }: LockFile, now: number): boolean {
  return (holder !== undefined && isDead(holder)) || now - touched > EXPIRY_MS;
}

/**
 * Removes the lock file if it meets the condition. Holds the lock `<path>.break` while examining and removing the file,
 * so that no other process can replace the file in between. Removing the break lock requires no further lock, because
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
    const [own, found] = [readLockFile(breakLock), readLockFile(path)];
    if (own?.holder?.token !== token || found === undefined) return;
    if (condition(found, own.touched)) rmSync(path, { force: true });
  } finally {
    if (isHeld(breakLock, token)) rmSync(breakLock, { force: true });
  }
}

/**
 * Writes a heartbeat, then checks that this process still holds the lock. The heartbeat comes first, so that no other
 * process breaks the lock before the change that follows.
 * @throws MlistError `ERR_MLIST_LOCKED` if another process has taken over the lock
 */
async function confirm(path: string, token: string, { subject = path }: LockOptions): Promise<void> {
  await writeHeartbeat(path, token).catch(() => undefined);
  if (isHeld(path, token)) return;
  throw new MlistError('ERR_MLIST_LOCKED', `cannot change ${subject}: another process has taken over its lock`, {
    path,
    hint: 'This process may have been suspended for more than 30 seconds. Run the command again.',
  });
}

function locked(path: string, holder: Holder | undefined, { subject = path }: LockOptions): MlistError {
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return new MlistError('ERR_MLIST_LOCKED', `${subject} is locked by ${who}`, {
    path,
    hint: 'Wait until the other command has finished, and run this one again.',
  });
}

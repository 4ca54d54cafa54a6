import { readFileSync, readlinkSync } from 'node:fs';
import { link, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, MlistError } from '../errors.ts';
import { writeFailure } from './failure.ts';
import { uniqueName } from './unique.ts';

/**
 * Locks between processes, as files. A lock file says who holds it; it appears whole (hard link) or not at all.
 * It is stale when its process is dead, or, where its process cannot be seen from here, when nobody has touched it
 * for 30 seconds. Why the breaking of a stale lock is itself locked: docs/decisions/0004-locks.md.
 */
interface Owner {
  readonly pid: number;
  /** Host name and process-id space: where `pid` means anything. */
  readonly host: string;
  /** Boot of that host; process ids of an earlier boot are dead. Empty where the system does not tell. */
  readonly boot: string;
  /** When the process started, in the system's own count: a process id may be given out again. */
  readonly started: string;
  /** Unlike every other taking of any lock. */
  readonly token: string;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a lock that another holds. Default 10 000. */
  readonly waitMs?: number | undefined;
  /** What is locked, for the error. Default: the path of the lock. */
  readonly subject?: string | undefined;
}

const WAIT_MS = 10_000;
const HEARTBEAT_MS = 5_000;
const SILENT_MS = 30_000;

/**
 * Runs `work` while holding the lock at `path`, whose folder must exist.
 * @throws MlistError `ERR_MLIST_LOCKED` where another holds it for longer than the wait.
 */
export async function withLock<T>(path: string, work: () => Promise<T> | T, options: LockOptions = {}): Promise<T> {
  const token = await acquire(path, options);
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    await release(path, token);
  }
}

async function acquire(path: string, options: LockOptions): Promise<string> {
  const deadline = performance.now() + (options.waitMs ?? WAIT_MS);
  for (let tries = 0; ; tries += 1) {
    options.signal?.throwIfAborted();
    const token = await take(path);
    if (token !== undefined) return token;
    const holder = await readOwner(path);
    if (holder === 'gone') continue;
    if (holder !== 'unreadable' && (await isStale(path, holder))) {
      await breakLock(path, holder, options);
      continue;
    }
    if (holder === 'unreadable' && (await silence(path)) > SILENT_MS) await unlink(path).catch(() => undefined);
    if (performance.now() >= deadline) throw locked(path, holder, options);
    await sleep(Math.min(2 + tries * 2, 50) * (0.5 + Math.random()), undefined, { signal: options.signal });
  }
}

/** Takes the lock if nobody holds it: the file is written beside it and linked into place. */
async function take(path: string): Promise<string | undefined> {
  const token = uniqueName();
  const content = JSON.stringify({ ...self(), token } satisfies Owner);
  const written = `${path}.${token}.tmp`;
  try {
    await writeFile(written, content, { flag: 'wx' }).catch((error: unknown) => {
      throw writeFailure(dirname(path), error);
    });
    await link(written, path);
    return token;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return undefined;
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(errorCode(error) ?? '')) throw error;
    return await takeWithoutLinks(path, content, token);
  } finally {
    await unlink(written).catch(() => undefined);
  }
}

/** For file systems without hard links: a crash between making and writing leaves a lock that nobody owns for 30 s. */
async function takeWithoutLinks(path: string, content: string, token: string): Promise<string | undefined> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    return token;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return undefined;
    throw error;
  }
}

/** Removes a stale lock. Only one process may ever do that for one taking, and only while that taking still stands. */
async function breakLock(path: string, holder: Owner, options: LockOptions): Promise<void> {
  await withLock(
    `${path}.${holder.token}`,
    async () => {
      const current = await readOwner(path);
      if (typeof current === 'object' && current.token === holder.token) await unlink(path);
    },
    options,
  );
}

async function release(path: string, token: string): Promise<void> {
  const owner = await readOwner(path);
  if (typeof owner === 'object' && owner.token === token) await unlink(path).catch(() => undefined);
}

async function readOwner(path: string): Promise<Owner | 'gone' | 'unreadable'> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as Partial<Owner>;
    return isOwner(owner) ? owner : 'unreadable';
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'gone';
    return 'unreadable';
  }
}

/** The token becomes part of a file name, so it must be one of ours. */
function isOwner(owner: Partial<Owner>): owner is Owner {
  return typeof owner.pid === 'number' && typeof owner.host === 'string' && /^[0-9a-f]{16}$/.test(owner.token ?? '');
}

async function isStale(path: string, holder: Owner): Promise<boolean> {
  const here = self();
  if (holder.host !== here.host) return (await silence(path)) > SILENT_MS;
  if (holder.boot !== here.boot) return true;
  return !isAlive(holder);
}

function isAlive({ pid, started }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
  const now = processOf(pid);
  if (now === undefined) return true;
  return now.state !== 'Z' && (started === '' || now.started === started);
}

/** Milliseconds since anybody touched the lock. */
async function silence(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  return info === undefined ? 0 : Date.now() - info.mtimeMs;
}

let identity: Omit<Owner, 'token'> | undefined;

function self(): Omit<Owner, 'token'> {
  identity ??= {
    pid: process.pid,
    host: `${hostname()} ${tell(() => readlinkSync('/proc/self/ns/pid'))}`.trim(),
    boot: tell(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    started: processOf(process.pid)?.started ?? '',
  };
  return identity;
}

/** Fields 3 and 22 of /proc/PID/stat (proc(5)); the name in field 2 may hold spaces and parentheses. */
function processOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  const stat = tell(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === '') return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', started: fields[19] ?? '' };
}

/** What only some systems tell; the empty text elsewhere. */
function tell(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return '';
  }
}

function locked(path: string, holder: Owner | 'unreadable', options: LockOptions): MlistError {
  const who =
    holder === 'unreadable' ? 'another process' : `process ${holder.pid} on ${holder.host.split(' ', 1)[0] ?? ''}`;
  return new MlistError('ERR_MLIST_LOCKED', `${options.subject ?? path} is locked by ${who}`, {
    path,
    hint: 'Wait for the other command to end and run this one again.',
  });
}

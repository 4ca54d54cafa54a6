import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errorCode } from '../errors/errors.ts';

/**
 * The process that holds a lock, as stored in the lock file. Values that the system does not report are empty strings.
 */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** The PID namespace in which `pid` is valid. On macOS, which has no namespaces, the name of the platform. */
  readonly namespace: string;
  /** The boot ID of the kernel. It also distinguishes machines with the same host name. */
  readonly boot: string;
  /** The start time of the process, in the system's unit. It distinguishes processes that have had the same PID. */
  readonly started: string;
  /** Unique for each acquisition of a lock. */
  readonly token: string;
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const isMac = process.platform === 'darwin';

let identity: Omit<Holder, 'token'> | undefined;

export function thisProcess(): Omit<Holder, 'token'> {
  identity ??= {
    pid: process.pid,
    host: hostname(),
    namespace: readOrEmpty(() => (isMac ? process.platform : readlinkSync('/proc/self/ns/pid'))),
    boot: readOrEmpty(() => (isMac ? sysctl('kern.bootsessionuuid') : readFileSync(BOOT_ID, 'utf8'))),
    started: statusOf(process.pid)?.started ?? '',
  };
  return identity;
}

/** Parses the content of a lock file. Returns undefined if it is invalid. */
export function parseHolder(text: string): Holder | undefined {
  try {
    const holder = (JSON.parse(text) ?? {}) as Partial<Holder>;
    const { pid, host, namespace, boot, started, token } = holder;
    const isComplete = [host, namespace, boot, started, token].every((member) => typeof member === 'string');
    return isComplete && Number.isSafeInteger(pid) ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the holder's process has certainly ended. Never true on Windows, where the boot ID is unknown. */
export function isDead({ pid, host, namespace, boot, started }: Holder): boolean {
  const here = thisProcess();
  if (host !== here.host || namespace !== here.namespace || boot !== here.boot) return false;
  if (namespace === '' || boot === '') return false;
  const status = statusOf(pid);
  if (status === undefined) return !isRunning(pid);
  return status.state === 'Z' || (started !== '' && status.started !== started);
}

let mark: string | undefined;

/**
 * Returns the mark of this process for file names: `_MACHINE_PID_STARTED`. Returns an empty string if the system does
 * not report these values.
 */
export function processMark(): string {
  const { pid, started } = thisProcess();
  mark ??= machine() === undefined || !/^\d+$/.test(started) ? '' : `_${machine() ?? ''}_${pid}_${started}`;
  return mark;
}

/**
 * Returns whether the process with this mark is still running. The state is `unknown` if there is no mark, or if the
 * process was started on another machine, in another container or before the last boot.
 */
export function stateOfMarked(text: string): 'alive' | 'dead' | 'unknown' {
  const [, where, pid = '', started = ''] = /^_([0-9a-f]{8})_(\d{1,10})_(\d+)$/.exec(text) ?? [];
  if (where === undefined || where !== machine()) return 'unknown';
  return isDead({ ...thisProcess(), pid: Number(pid), started, token: '' }) ? 'dead' : 'alive';
}

/**
 * Returns a hash (FNV-1a) that identifies the host, its current boot and the PID namespace. Returns undefined if the
 * boot or the namespace is unknown.
 */
function machine(): string | undefined {
  const { host, namespace, boot } = thisProcess();
  if (namespace === '' || boot === '') return undefined;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${host} ${namespace} ${boot}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

/**
 * Returns the state and the start time of a process: fields 3 and 22 of /proc/PID/stat (proc(5)). The fields are
 * counted from the last parenthesis, because the name in field 2 may contain spaces and parentheses. Returns undefined
 * if the file cannot be read.
 */
function statusOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  const stat = readOrEmpty(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === '') return undefined;
  const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, started: fields[18] ?? '' };
}

/** Reads a value with the program sysctl. Loads child_process on demand to keep startup fast. */
function sysctl(name: string): string {
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  return execFileSync('/usr/sbin/sysctl', ['-n', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function readOrEmpty(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return '';
  }
}

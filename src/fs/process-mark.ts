import { isDead, thisProcess } from './lock-holder.ts';

let mark: string | undefined;

/** Identifies this process in file names: `_MACHINE_PID_STARTED`; empty where the system does not report enough. */
export function processMark(): string {
  const { pid, started } = thisProcess();
  mark ??= machine() === undefined || !/^\d+$/.test(started) ? '' : `_${machine() ?? ''}_${pid}_${started}`;
  return mark;
}

/** Whether the process of a mark is still running; `unknown` for a process of another machine or container. */
export function stateOfMarked(text: string): 'alive' | 'dead' | 'unknown' {
  const [, where, pid = '', started = ''] = /^_([0-9a-f]{8})_(\d{1,10})_(\d+)$/.exec(text) ?? [];
  if (where === undefined || where !== machine()) return 'unknown';
  return isDead({ ...thisProcess(), pid: Number(pid), started, token: '' }) ? 'dead' : 'alive';
}

/** A hash of the running system and PID namespace (FNV-1a); undefined if these are unknown. */
function machine(): string | undefined {
  const { host, namespace, boot } = thisProcess();
  if (namespace === '' || boot === '') return undefined;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${host} ${namespace} ${boot}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

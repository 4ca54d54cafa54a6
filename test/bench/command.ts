import { spawn } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** A program that is run to its end. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** A file that is piped to the program. Default: no input. */
  readonly stdin?: string | undefined;
}

export interface Measured {
  readonly milliseconds: number;
  /** CPU time of the program and of the programs that it started, in steps of 10 ms; 0 where there is no /proc. */
  readonly cpuMilliseconds: number;
  /** Peak of the resident memory; 0 where there is no /proc. */
  readonly peakMib: number;
}

/** @throws Error with the last line of stderr if the program fails */
export async function run({ program, args, env, stdin }: Command): Promise<Measured> {
  const cpuBefore = cpuOfChildren();
  const started = performance.now();
  const child = spawn(program, args, {
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe'],
    env: { ...process.env, MLIST_NO_MIRRORS: '1', ...env },
  });
  if (stdin !== undefined && child.stdin !== null) createReadStream(stdin).pipe(child.stdin);
  const peak = new Peak(child.pid);
  const output: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => output.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const milliseconds = performance.now() - started;
  peak.stop();
  if (code === 0) return { milliseconds, cpuMilliseconds: cpuOfChildren() - cpuBefore, peakMib: peak.kib / 1024 };
  const last = Buffer.concat(output).toString().trim().split('\n').at(-1) ?? '';
  throw new Error(`${program} ${args[0] ?? ''} ended with ${String(code)}: ${last.slice(0, 200)}`);
}

/** Runs one command after the other. @param env - for all of them */
export async function runAll(commands: readonly Command[], env: Readonly<Record<string, string>>): Promise<Measured> {
  let total: Measured = { milliseconds: 0, cpuMilliseconds: 0, peakMib: 0 };
  for (const command of commands) {
    const one = await run({ ...command, env: { ...env, ...command.env } });
    total = {
      milliseconds: total.milliseconds + one.milliseconds,
      cpuMilliseconds: total.cpuMilliseconds + one.cpuMilliseconds,
      peakMib: Math.max(total.peakMib, one.peakMib),
    };
  }
  return total;
}

/** CPU time of all programs that this process has started and that have ended: `cutime` and `cstime` of proc(5). */
function cpuOfChildren(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) * 10;
  } catch {
    return 0;
  }
}

/** CPU time of a running process in milliseconds, in steps of 10; 0 where there is no /proc. */
export async function cpuOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.length > 13 ? (Number(fields[11]) + Number(fields[12])) * 10 : 0;
}

/** Samples the peak memory of a process from /proc while it runs, since the value reported afterwards may be the parent's. */
export class Peak {
  /** KiB; 0 where there is no /proc. */
  kib = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number | undefined) {
    const sample = async () => {
      const status = await readFile(`/proc/${String(pid)}/status`, 'utf8').catch(() => '');
      this.kib = Math.max(this.kib, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    };
    this.#timer = setInterval(() => void sample(), 5);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

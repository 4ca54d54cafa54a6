import { readFile } from 'node:fs/promises';

/** Samples the peak memory of a process from /proc while it runs, since the value reported afterwards may be the parent's. */
export class Peak {
  /** KiB; 0 where there is no /proc. */
  kib = 0;
  #timer: NodeJS.Timeout | undefined;

  readonly watch = (pid: number): void => {
    const sample = async () => {
      const status = await readFile(`/proc/${String(pid)}/status`, 'utf8').catch(() => '');
      this.kib = Math.max(this.kib, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    };
    this.stop();
    this.#timer = setInterval(() => void sample(), 5);
  };

  stop(): void {
    clearInterval(this.#timer);
  }
}

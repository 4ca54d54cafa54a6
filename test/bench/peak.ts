import { readFile } from 'node:fs/promises';

/** Watches a process: its peak is read from /proc while it runs, since what a parent is told afterwards may be its own. */
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

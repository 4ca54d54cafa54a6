import { setTimeout as sleep } from 'node:timers/promises';

/** The uploads of a session that have not ended. The session waits for them on close, so that they can cancel themselves. */
export class OpenUploads {
  readonly #open = new Set<Promise<unknown>>();

  async track<T>(upload: Promise<T>): Promise<T> {
    this.#open.add(upload);
    try {
      return await upload;
    } finally {
      this.#open.delete(upload);
    }
  }

  /** Waits until all uploads have ended, but no longer than this. */
  async ended(milliseconds: number): Promise<void> {
    if (this.#open.size === 0) return;
    const timer = new AbortController();
    const timeUp = sleep(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.#open), timeUp]);
    timer.abort();
  }
}

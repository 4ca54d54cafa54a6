import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The uploads of a session that have not ended. When the session is closed, it waits until they have been cancelled.
 */
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

  /** Waits until all uploads have ended, but at most this long. */
  async ended(milliseconds: number): Promise<void> {
    if (this.#open.size === 0) return;
    const timer = new AbortController();
    const timeUp = sleep(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.#open), timeUp]);
    timer.abort();
  }
}

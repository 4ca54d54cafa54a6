/** Work that several ask for at once is done once. */
export class InFlight<T> {
  readonly #running = new Map<string, Promise<T>>();
  readonly #hasGivenUp = new WeakSet<Promise<T>>();

  /**
   * The result of the work under this key, which may be under way for somebody else. Where they gave up, it is done
   * again for whoever has not.
   */
  async share(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    for (;;) {
      const running = this.#running.get(key);
      if (running === undefined) break;
      try {
        return await within(running, signal);
      } catch (thrown) {
        signal?.throwIfAborted();
        if (!this.#hasGivenUp.has(running)) throw thrown;
      }
    }
    const running = work().finally(() => this.#running.delete(key));
    running.catch(() => signal?.aborted === true && this.#hasGivenUp.add(running));
    this.#running.set(key, running);
    return running;
  }
}

/** Rejects as soon as the signal aborts; the work goes on. */
async function within<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

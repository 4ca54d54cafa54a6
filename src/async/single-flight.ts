export interface SingleFlightOptions {
  /** Whether a failure fails all waiting callers. If not, each of them runs its own work. Default true. */
  readonly sharesFailures?: boolean | undefined;
}

/** Shares work while it runs: concurrent callers with the same key get the same result. */
export class SingleFlight<T, K = string> {
  readonly #running = new Map<K, Promise<T>>();
  /** Promises of failed work that the waiting callers do not share: each of them runs its own work. */
  readonly #isRetried = new WeakSet<Promise<T>>();
  readonly #sharesFailures: boolean;

  constructor({ sharesFailures = true }: SingleFlightOptions = {}) {
    this.#sharesFailures = sharesFailures;
  }

  /**
   * Returns the result of the work for this key, which may already be running for another caller. If that caller is
   * cancelled, one of the waiting callers starts the work again. The signal ends only this caller's wait for the work
   * of another caller; the work itself has to observe the signal of the caller that starts it.
   */
  async run(key: K, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      const running = this.#running.get(key);
      if (running === undefined) return this.#start(key, work, signal);
      try {
        return await untilAborted(running, signal);
      } catch (thrown) {
        signal?.throwIfAborted();
        if (!this.#isRetried.has(running)) throw thrown;
      }
    }
  }

  /** The running work for this key; undefined if no work is running. */
  get(key: K): Promise<T> | undefined {
    return this.#running.get(key);
  }

  #start(key: K, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const running = work().finally(() => this.#running.delete(key));
    running.catch(() => {
      if (!this.#sharesFailures || signal?.aborted === true) this.#isRetried.add(running);
    });
    this.#running.set(key, running);
    return running;
  }
}

/** Rejects as soon as the signal is aborted; the work continues. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
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

/**
 * Returns the value of a key, and creates it if the map does not have it. If the value is a promise, the map keeps it,
 * even if it rejects, so its work is done once.
 */
export function getOrCreate<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const existing = map.get(key);
  if (existing !== undefined || map.has(key)) return existing as V;
  const created = create();
  map.set(key, created);
  return created;
}

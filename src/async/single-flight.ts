export interface SingleFlightOptions {
  /** Whether a failure fails all waiting callers. If false, one of them runs its own work instead. Default true. */
  readonly sharesFailures?: boolean | undefined;
}

/** Shares work while it runs: concurrent callers with the same key get the same result. */
export class SingleFlight<T, K = string> {
  readonly #running = new Map<K, Promise<T>>();
  /** The promises of failed work after which a waiting caller runs its own work instead of failing. */
  readonly #isRetried = new WeakSet<Promise<T>>();
  readonly #sharesFailures: boolean;

  constructor({ sharesFailures = true }: SingleFlightOptions = {}) {
    this.#sharesFailures = sharesFailures;
  }

  /**
   * Runs the work for this key, or waits for the same work of another caller, and returns its result. If that caller is
   * cancelled, one of the waiting callers runs its own work. `signal` does not stop `work`, which must observe the
   * signal itself.
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

  /** Returns the running work for this key, or undefined if no work is running. */
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

/** Waits for work, but rejects as soon as the signal is aborted. The work itself continues. */
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
 * Returns the value of a key. If the map does not have the key, creates and stores the value first. A promise stays in
 * the map even if it rejects, so its work is not repeated.
 */
export function getOrCreate<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const existing = map.get(key);
  if (existing !== undefined || map.has(key)) return existing as V;
  const created = create();
  map.set(key, created);
  return created;
}

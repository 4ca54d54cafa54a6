export interface SingleFlightOptions {
  /** Whether a failure fails all callers who wait for it. If not, each of them tries its own work. Default true. */
  readonly sharesFailures?: boolean | undefined;
}

/** Shares work while it runs: callers who ask for the same key at the same time get the same result. */
export class SingleFlight<T, K = string> {
  readonly #running = new Map<K, Promise<T>>();
  /** Work that has failed, but not for the other callers. */
  readonly #isRetried = new WeakSet<Promise<T>>();
  readonly #sharesFailures: boolean;

  constructor({ sharesFailures = true }: SingleFlightOptions = {}) {
    this.#sharesFailures = sharesFailures;
  }

  /**
   * The result of the work under this key, which may already run for another caller. If the caller who started it is
   * cancelled, a caller who is not starts it again. The signal ends this caller's wait for the work of another; the work
   * itself has to observe the signal of the caller who starts it.
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

  /** The work that runs under this key, if any. */
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
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
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
 * The value under a key of a map, created when it is first asked for. If the value is a promise, the work behind it is done
 * once, and its result or failure is remembered.
 */
export function getOrCreate<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined || map.has(key)) return known as V;
  const created = create();
  map.set(key, created);
  return created;
}

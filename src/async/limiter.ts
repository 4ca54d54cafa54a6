/** Limits the number of concurrent tasks. Waiting tasks start in the order of the calls. */
export class Limiter {
  readonly #waiting: (() => void)[] = [];
  #max: number;
  #free: number;

  constructor(maxConcurrent: number) {
    this.#max = maxConcurrent;
    this.#free = maxConcurrent;
  }

  /** Raises the limit, which may start waiting tasks. A limit below the current one has no effect. */
  raise(maxConcurrent: number): void {
    for (; this.#max < maxConcurrent; this.#max += 1) this.#release();
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.acquire();
    try {
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Waits for a slot.
   * @returns a function that releases the slot; calling it again has no effect
   */
  async acquire(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isHeld = true;
    return () => {
      if (isHeld) this.#release();
      isHeld = false;
    };
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/**
 * Applies `work` to all items, with at most `maxConcurrent` calls at a time.
 * @returns the results, in the order of the items
 * @throws the first failure; no further items are started after it
 */
export async function mapLimited<T, R>(
  items: Iterable<T>,
  maxConcurrent: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const iterator = items[Symbol.iterator]();
  let nextPosition = 0;
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && !hasFailed; next = iterator.next()) {
      const position = nextPosition++;
      results[position] = await work(next.value);
    }
  };
  const workers = Array.from({ length: maxConcurrent }, () =>
    worker().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  await Promise.all(workers);
  return results;
}

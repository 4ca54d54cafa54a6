interface Waiting {
  readonly weight: number;
  readonly start: () => void;
}

/**
 * Limits the number of concurrent tasks or, if tasks have different weights, the sum of their weights. Waiting tasks
 * start in the order of the calls.
 */
export class Limiter {
  readonly #waiting: Waiting[] = [];
  #max: number;
  #free: number;

  constructor(max: number) {
    this.#max = max;
    this.#free = max;
  }

  /** Raises the limit, which may start waiting tasks. A limit below the current one has no effect. */
  raise(max: number): void {
    if (max <= this.#max) return;
    const added = max - this.#max;
    this.#max = max;
    this.#release(added);
  }

  /**
   * Runs a task in a slot.
   * @param weight - must not exceed the limit: the task would never start, nor any later one. Default 1
   */
  async run<T>(work: () => Promise<T>, weight = 1): Promise<T> {
    const release = await this.acquire(weight);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Waits for a slot.
   * @param weight - see `run`. Default 1
   * @returns a function that releases the slot; calling it again has no effect
   */
  async acquire(weight = 1): Promise<() => void> {
    if (this.#waiting.length === 0 && weight <= this.#free) this.#free -= weight;
    else await new Promise<void>((start) => this.#waiting.push({ weight, start }));
    let isHeld = true;
    return () => {
      if (isHeld) this.#release(weight);
      isHeld = false;
    };
  }

  #release(weight: number): void {
    this.#free += weight;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || next.weight > this.#free) return;
      this.#waiting.shift();
      this.#free -= next.weight;
      next.start();
    }
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

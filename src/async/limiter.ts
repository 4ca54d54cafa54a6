/** Runs a limited number of tasks at once; the others wait in the order in which they came. */
export class Limiter {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const leave = await this.acquire();
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Waits for a slot. The returned function frees it; further calls do nothing. */
  async acquire(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isIn = true;
    return () => {
      if (isIn) this.#leave();
      isIn = false;
    };
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/**
 * Applies `work` to all items, to at most `most` of them at once.
 * @returns the results, in the order of the items
 * @throws the first failure; items whose work has not begun by then are skipped
 */
export async function mapLimited<T, R>(items: Iterable<T>, most: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const iterator = items[Symbol.iterator]();
  let taken = 0;
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && !hasFailed; next = iterator.next()) {
      const at = taken++;
      results[at] = await work(next.value);
    }
  };
  const workers = Array.from({ length: most }, () =>
    worker().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  await Promise.all(workers);
  return results;
}

/** Limits the number of tasks that run at once; the others wait in the order of their calls. */
export class Limiter {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const leave = await this.enter();
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Waits for a free slot. The returned function releases it; further calls do nothing. */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isHeld = true;
    return () => {
      if (isHeld) this.#leave();
      isHeld = false;
    };
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/**
 * Limits the files that short tasks have open, to fewer than the 256 that macOS allows a process. To exclude deadlocks,
 * such a task waits for nothing but the file system.
 */
export const openFiles = new Limiter(32);

/**
 * Applies `work` to all items, with at most `most` calls at once.
 * @returns the results, in the order of the items
 * @throws the first failure; no further calls are started
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

/**
 * If an overlapping write fails, the limit is lowered: to this number if the `peak` of the write is higher, otherwise
 * to 1.
 */
const FIRST_LIMIT = 4;

/** After this number of successful writes, the limit is doubled. */
const WRITES_TO_RECOVER = 16;

/** The default limit for concurrent requests. If the limit for writes would reach this number, it is removed. */
const MAX_LIMIT = 32;

export interface Write {
  /** The largest number of writes that were in progress at the same time as this one, including it. */
  peak: number;
}

/**
 * Limits concurrent manifest writes to one registry after overlapping writes have failed. Gitea, for example, answers
 * some overlapping writes with 500.
 */
export class WriteGate {
  readonly #writes = new Set<Write>();
  #waiting: (() => void)[] = [];
  #limit = Number.POSITIVE_INFINITY;
  #successes = 0;

  /** Waits until the write may begin. */
  async enter(): Promise<Write> {
    while (this.#writes.size >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const write = { peak: 0 };
    this.#writes.add(write);
    for (const running of this.#writes) running.peak = Math.max(running.peak, this.#writes.size);
    return write;
  }

  /** Ends a write, and lets waiting writes begin. */
  leave(write: Write): void {
    this.#writes.delete(write);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Records a successful write. After `WRITES_TO_RECOVER` of these, doubles or removes the limit. */
  succeeded(): void {
    this.#successes += 1;
    if (this.#successes < WRITES_TO_RECOVER) return;
    this.#successes = 0;
    this.#limit = this.#limit * 2 < MAX_LIMIT ? this.#limit * 2 : Number.POSITIVE_INFINITY;
  }

  /**
   * Lowers the limit after a 5xx response to a write, if other writes overlapped it.
   * @returns whether other writes overlapped it
   */
  failed({ peak }: Write): boolean {
    if (peak === 1) return false;
    this.#successes = 0;
    this.#limit = Math.min(this.#limit, peak > FIRST_LIMIT ? FIRST_LIMIT : 1);
    return true;
  }
}

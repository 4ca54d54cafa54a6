/**
 * Counts answers that have to come one after the other. Requests wait until no more come; then all of them are dealt
 * with, while what is asked meanwhile waits for the next wave. So a request is in a later wave only if it had to wait for
 * an answer, however slow the machine and whatever the order on the wire.
 */
export class Waves {
  readonly #quietMs: number;
  readonly #waiting: { readonly go: (wave: number) => void; readonly ended: Promise<void> }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  #number = 0;

  /** @param quietMs - how long nothing new must come until a wave is whole */
  constructor(quietMs = 200) {
    this.#quietMs = quietMs;
  }

  /** Waves so far. */
  get number(): number {
    return this.#number;
  }

  forget(): void {
    this.#number = 0;
  }

  /**
   * Waits for the wave that a request goes with.
   * @param ended - when its answer has gone out
   * @returns the number of the wave, from 1
   */
  enter(ended: Promise<void>): Promise<number> {
    return new Promise((go) => {
      this.#waiting.push({ go, ended });
      this.#wait();
    });
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (!this.#isRunning && this.#waiting.length > 0) this.#timer = setTimeout(() => void this.#run(), this.#quietMs);
  }

  async #run(): Promise<void> {
    const wave = this.#waiting.splice(0);
    this.#isRunning = true;
    this.#number += 1;
    for (const { go } of wave) go(this.#number);
    await Promise.all(wave.map(({ ended }) => ended));
    this.#isRunning = false;
    this.#wait();
  }
}

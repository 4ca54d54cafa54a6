/** What a registry has asked all its clients to wait for: one answer of 429 holds up every request to it. */
export class Pace {
  #until = 0;

  /** No request before so many milliseconds from now. */
  hold(milliseconds: number): void {
    this.#until = Math.max(this.#until, performance.now() + milliseconds);
  }

  /** Milliseconds until the next request may go; 0 where it may go now. */
  get wait(): number {
    return Math.max(0, this.#until - performance.now());
  }
}

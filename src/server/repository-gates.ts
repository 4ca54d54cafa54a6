import { getOrCreate } from '../async/single-flight.ts';

/**
 * Runs changes to each repository, either concurrently (shared) or alone (exclusive). Removals must run alone, because
 * a manifest must not be accepted while content that it refers to is being removed. Changes to a repository start in
 * the order of the calls.
 */
export class RepositoryGates {
  readonly #gates = new Map<string, Gate>();

  /** Runs a change that removes nothing. Other shared changes may run at the same time. */
  shared<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#run(name, work, false);
  }

  /** Runs a change while no other change to the repository runs. */
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#run(name, work, true);
  }

  async #run<T>(name: string, work: () => Promise<T>, isExclusive: boolean): Promise<T> {
    const gate = getOrCreate(this.#gates, name, () => new Gate());
    gate.users += 1;
    try {
      return await gate.run(work, isExclusive);
    } finally {
      gate.users -= 1;
      if (gate.users === 0) this.#gates.delete(name);
    }
  }
}

class Gate {
  users = 0;
  /** Resolves when the last exclusive change and all earlier changes have ended. */
  #exclusive: Promise<unknown> = Promise.resolve();
  /** The unfinished shared changes that were requested after the last exclusive change. */
  #shared = new Set<Promise<unknown>>();

  async run<T>(work: () => Promise<T>, isExclusive: boolean): Promise<T> {
    if (!isExclusive) {
      const shared = this.#shared;
      const result = this.#exclusive.then(work);
      const ended: Promise<unknown> = result.catch(() => undefined).then(() => shared.delete(ended));
      shared.add(ended);
      return await result;
    }
    const earlier = [this.#exclusive, ...this.#shared];
    this.#shared = new Set();
    const result = Promise.all(earlier).then(work);
    this.#exclusive = result.catch(() => undefined);
    return await result;
  }
}

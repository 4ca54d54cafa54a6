import { getOrCreate } from '../async/single-flight.ts';
import { MemoryStore } from '../store/memory.ts';
import type { MemoryBudget } from './limits/memory-budget.ts';
import type { Repositories, Repository } from './storage.ts';

/** The number of bytes that are reserved for each repository in addition to its content. */
const REPOSITORY_BYTES = 2048;

/** Repositories in memory. They are lost when the registry is closed. */
export class MemoryRepositories implements Repositories {
  readonly #repositories = new Map<string, MemoryStore>();
  readonly #memory: MemoryBudget;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  find(name: string): Promise<Repository | undefined> {
    return Promise.resolve(this.#repositories.get(name));
  }

  async open(name: string): Promise<Repository> {
    await Promise.resolve();
    return getOrCreate(this.#repositories, name, () => {
      this.#memory.reserve(REPOSITORY_BYTES);
      return new MemoryStore(name, this.#memory);
    });
  }

  async *all(includes: (name: string) => boolean = () => true): AsyncGenerator<Repository> {
    for (const [name, repository] of await Promise.resolve([...this.#repositories]))
      if (includes(name)) yield repository;
  }

  names(): Promise<readonly string[]> {
    return Promise.resolve([...this.#repositories.keys()]);
  }

  remove(name: string): Promise<boolean> {
    const removed = this.#repositories.get(name);
    if (removed === undefined) return Promise.resolve(false);
    this.#repositories.delete(name);
    removed.clear();
    this.#memory.release(REPOSITORY_BYTES);
    return Promise.resolve(true);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

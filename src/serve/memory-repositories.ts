import { MemoryContent } from '../content/memory.ts';
import type { Repositories, Repository } from './storage.ts';

/** Repositories that last as long as the process. */
export class MemoryRepositories implements Repositories {
  readonly #repositories = new Map<string, Repository>();

  find(name: string): Promise<Repository | undefined> {
    return Promise.resolve(this.#repositories.get(name));
  }

  open(name: string): Promise<Repository> {
    const repository = this.#repositories.get(name) ?? new MemoryContent(name);
    this.#repositories.set(name, repository);
    return Promise.resolve(repository);
  }

  async *all(): AsyncGenerator<Repository> {
    yield* await Promise.resolve([...this.#repositories.values()]);
  }
}

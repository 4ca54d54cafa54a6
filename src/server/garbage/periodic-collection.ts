import type { Layout } from '../../store/layout/layout.ts';
import type { FolderRepositories } from '../folder-repositories.ts';
import type { RepositoryGates } from '../repository-gates.ts';
import type { CollectedRepository } from './collect-folder.ts';

/** Options of the garbage collection that runs while the registry serves requests. */
export interface CollectionOptions {
  /** Keep content that was used within this time, in milliseconds. Default: one hour. */
  readonly grace?: number | undefined;
  /** Also remove untagged manifests that nothing else refers to. Default false. */
  readonly deleteUntagged?: boolean | undefined;
  /** Time between two collections, in milliseconds. Default: `grace`, but at least a second and at most an hour. */
  readonly interval?: number | undefined;
  /** Called for each repository from which something was removed. */
  readonly onRemoved?: ((removed: CollectedRepository) => void) | undefined;
  /**
   * Called for each repository whose garbage could not be collected. If the folder cannot be read, `name` is
   * `the folder`.
   */
  readonly onFailure?: ((name: string, error: unknown) => void) | undefined;
}

export const HOUR_MS = 60 * 60 * 1000;

/** Collects the garbage of all repositories at startup, and then at regular intervals. */
export class PeriodicCollection {
  readonly #repositories: FolderRepositories;
  readonly #changes: RepositoryGates;
  readonly #options: CollectionOptions;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(repositories: FolderRepositories, changes: RepositoryGates, options: CollectionOptions) {
    this.#repositories = repositories;
    this.#changes = changes;
    this.#options = options;
  }

  start(): void {
    this.#running = this.#collect();
  }

  /** Stops the collection. Resolves when a removal in progress is complete. */
  async close(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #collect(): Promise<void> {
    const { grace = HOUR_MS, onFailure } = this.#options;
    const { interval = Math.min(Math.max(grace, 1000), HOUR_MS) } = this.#options;
    try {
      for await (const [name, layout] of this.#repositories.named()) {
        if (this.#isStopped()) return;
        await this.#collectOne(name, layout, grace);
      }
    } catch (error) {
      onFailure?.('the folder', error);
    }
    if (this.#isStopped()) return;
    this.#timer = setTimeout(() => this.start(), interval);
    this.#timer.unref();
  }

  async #collectOne(name: string, layout: Layout, grace: number): Promise<void> {
    const { deleteUntagged, onRemoved, onFailure } = this.#options;
    const { signal } = this.#stop;
    try {
      const exclusively = (work: () => Promise<void>): Promise<void> => this.#changes.exclusive(name, work);
      const garbage = await layout.collectGarbage({ grace, deleteUntagged, exclusively, signal });
      if (garbage.blobs.length > 0) onRemoved?.({ name, ...garbage });
    } catch (error) {
      if (!this.#isStopped()) onFailure?.(name, error);
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }
}

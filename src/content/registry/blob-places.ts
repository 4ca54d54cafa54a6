import type { Digest } from '../../oci/digest.ts';

/** How a blob came into a repository. */
export type Arrival = 'mounted' | 'uploaded';

interface BlobHome {
  readonly repository: string;
  readonly arrival: Promise<unknown>;
}

/** Digests that are remembered: enough for any list, and not so many that a run of thousands fills the memory. */
const MAX_HOMES = 10_000;

/**
 * What a command knows of the blobs of one registry. The same blob is never sent to it twice: who needs it in the same
 * repository waits for the first, who needs it in another waits too, and mounts it from there.
 */
export class BlobPlaces {
  /** By repository and digest, under way. */
  readonly #arriving = new Map<string, Promise<Arrival>>();
  /** By digest: the repository that has it, or gets it. */
  readonly #homes = new Map<Digest, BlobHome>();

  /**
   * Brings a blob into a repository, unless somebody is at it already. Where that fails for somebody else, for example
   * because they gave up, the work is done here.
   */
  async bring(repository: string, digest: Digest, work: () => Promise<Arrival>): Promise<Arrival> {
    const key = `${repository}@${digest}`;
    const arriving = this.#arriving.get(key);
    if (arriving !== undefined) {
      const arrival = await arriving.catch(() => undefined);
      return arrival ?? this.bring(repository, digest, work);
    }
    const arrival = work().finally(() => this.#arriving.delete(key));
    this.#arriving.set(key, arrival);
    const home = { repository, arrival };
    if (!this.#homes.has(digest)) this.#remember(digest, home);
    arrival.catch(() => this.#homes.get(digest) === home && this.#homes.delete(digest));
    return arrival;
  }

  /** What came first is forgotten where there is too much: it would be sent again, no more. */
  #remember(digest: Digest, home: BlobHome): void {
    const [oldest] = this.#homes.size < MAX_HOMES ? [] : this.#homes.keys();
    if (oldest !== undefined) this.#homes.delete(oldest);
    this.#homes.set(digest, home);
  }

  /** Another repository that has the blob, once it has it; undefined where none does. */
  async elsewhere(repository: string, digest: Digest): Promise<string | undefined> {
    const home = this.#homes.get(digest);
    if (home === undefined || home.repository === repository) return undefined;
    return home.arrival.then(
      () => home.repository,
      () => undefined,
    );
  }
}

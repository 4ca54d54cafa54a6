import { SingleFlight } from '../../../async/single-flight.ts';
import type { Digest } from '../../../oci/digest.ts';

/** How a blob came into a repository. */
export type BlobTransfer = 'mounted' | 'uploaded';

interface BlobPlace {
  readonly repository: string;
  readonly arrival: Promise<unknown>;
}

/** The digests that are remembered: enough for any list, and few enough that a run of thousands does not fill the memory. */
const MAX_PLACES = 10_000;

/**
 * The blobs that a command has sent to one registry. A blob is sent to it once: further callers who need it in the same
 * repository wait for the first, and those who need it in another repository mount it from there.
 */
export class SentBlobs {
  // Each caller has its own source and its own signal.
  readonly #arriving = new SingleFlight<BlobTransfer>({ sharesFailures: false });
  /** By digest: the first repository that has it or gets it. */
  readonly #places = new Map<Digest, BlobPlace>();

  /** Puts a blob into a repository, or waits for another caller who does. If that fails, the work is done here. */
  async put(repository: string, digest: Digest, work: () => Promise<BlobTransfer>): Promise<BlobTransfer> {
    return this.#arriving.run(`${repository}@${digest}`, () => {
      const arrival = work();
      const place = { repository, arrival };
      if (!this.#places.has(digest)) this.#remember(digest, place);
      arrival.catch(() => this.#places.get(digest) === place && this.#places.delete(digest));
      return arrival;
    });
  }

  /** Forgets the oldest if there are too many: such a blob is sent again if it is needed again. */
  #remember(digest: Digest, place: BlobPlace): void {
    const [oldest] = this.#places.size < MAX_PLACES ? [] : this.#places.keys();
    if (oldest !== undefined) this.#places.delete(oldest);
    this.#places.set(digest, place);
  }

  /** Another repository that has the blob; waits for a transfer that is running. Undefined if there is none. */
  async otherRepository(repository: string, digest: Digest): Promise<string | undefined> {
    const place = this.#places.get(digest);
    if (place === undefined || place.repository === repository) return undefined;
    return place.arrival.then(
      () => place.repository,
      () => undefined,
    );
  }
}

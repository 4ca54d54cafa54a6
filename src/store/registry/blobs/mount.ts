import { SingleFlight } from '../../../async/single-flight.ts';
import type { Digest } from '../../../oci/digest.ts';

/** How a blob was transferred to a repository. */
export type BlobTransfer = 'mounted' | 'uploaded';

interface SentBlob {
  readonly repository: string;
  readonly transfer: Promise<unknown>;
}

/** Number of digests that are remembered: enough for any list, and a limit on memory for runs over thousands of lists. */
const MAX_BLOBS = 10_000;

/**
 * The blobs that a command has sent to one registry, so that it uploads each blob once. Other callers that send the blob to
 * the same repository wait for the first one; callers that send it to another repository mount it from there.
 */
export class SentBlobs {
  // A failure is not shared, since each caller has its own source and its own signal.
  readonly #running = new SingleFlight<BlobTransfer>({ sharesFailures: false });
  /** By digest: the first repository that has the blob or receives it. */
  readonly #sent = new Map<Digest, SentBlob>();

  /** Sends a blob to a repository with `work`, or waits for another caller who does. If that one fails, runs `work`. */
  async put(repository: string, digest: Digest, work: () => Promise<BlobTransfer>): Promise<BlobTransfer> {
    return this.#running.run(`${repository}@${digest}`, () => {
      const transfer = work();
      const sent = { repository, transfer };
      if (!this.#sent.has(digest)) this.#remember(digest, sent);
      transfer.catch(() => this.#sent.get(digest) === sent && this.#sent.delete(digest));
      return transfer;
    });
  }

  /** Forgets the oldest digest if there are too many. Its blob is uploaded again if it is sent again. */
  #remember(digest: Digest, sent: SentBlob): void {
    const [oldest] = this.#sent.size < MAX_BLOBS ? [] : this.#sent.keys();
    if (oldest !== undefined) this.#sent.delete(oldest);
    this.#sent.set(digest, sent);
  }

  /** Another repository that has the blob, or undefined. Waits for a transfer that is running. */
  async otherRepository(repository: string, digest: Digest): Promise<string | undefined> {
    const sent = this.#sent.get(digest);
    if (sent === undefined || sent.repository === repository) return undefined;
    return sent.transfer.then(
      () => sent.repository,
      () => undefined,
    );
  }
}

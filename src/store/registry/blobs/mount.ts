import { RecentMap } from '../../../async/recent-map.ts';
import { SingleFlight } from '../../../async/single-flight.ts';
import type { Digest } from '../../../oci/digest.ts';

/** How a blob was transferred to a repository. */
export type BlobTransfer = 'mounted' | 'uploaded';

interface SentBlob {
  readonly repository: string;
  readonly transfer: Promise<unknown>;
}

/**
 * Maximum number of digests that are recorded. This limits the memory of commands that process thousands of lists.
 * If the digest of a blob is no longer recorded, the blob may be uploaded again.
 */
const MAX_BLOBS = 10_000;

/**
 * Records the blobs that a command has sent to one registry, so that each is uploaded only once. Concurrent callers
 * that send a blob to the same repository wait for the first one; callers that send it to another repository mount it
 * from the first repository.
 */
export class SentBlobs {
  // Each caller has its own source and signal, so the failure of one does not fail the others.
  readonly #running = new SingleFlight<BlobTransfer>({ sharesFailures: false });
  /** The first repository to which each blob was or is being sent, and the transfer, keyed by digest. */
  readonly #sent = new RecentMap<Digest, SentBlob>(MAX_BLOBS);

  /**
   * Sends a blob to a repository with `work`, or waits until another caller has sent it. If that caller fails, runs
   * `work`.
   * @returns how the blob was transferred
   */
  async put(repository: string, digest: Digest, work: () => Promise<BlobTransfer>): Promise<BlobTransfer> {
    return this.#running.run(`${repository}@${digest}`, () => {
      const transfer = work();
      const sent = { repository, transfer };
      if (!this.#sent.has(digest)) this.#sent.set(digest, sent);
      transfer.catch(() => this.#sent.get(digest) === sent && this.#sent.delete(digest));
      return transfer;
    });
  }

  /**
   * Returns another repository that has the blob; undefined if none is known. If the blob is still being sent
   * there, waits for the transfer, and returns undefined if it fails.
   */
  async otherRepository(repository: string, digest: Digest): Promise<string | undefined> {
    const sent = this.#sent.get(digest);
    if (sent === undefined || sent.repository === repository) return undefined;
    return sent.transfer.then(
      () => sent.repository,
      () => undefined,
    );
  }
}

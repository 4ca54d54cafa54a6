import { getOrCreate, SingleFlight } from '../async/single-flight.ts';
import type { Digest } from '../oci/digest.ts';

/** The blobs and manifests that have been sent, or are being sent, to one target. */
interface Target {
  readonly done: Set<Digest>;
  readonly running: SingleFlight<void, Digest>;
}

/** Deduplicates the transfers of a command: a blob or manifest that several plans need is sent to a target once. */
export class SharedTransfers {
  readonly #targets = new Map<string, Target>();

  /**
   * Runs `work`, which sends a blob or manifest, unless another plan has sent it. If another plan is sending it, waits
   * for that plan, and runs `work` only if that plan fails.
   * @returns whether this call ran `work`
   */
  async run(
    target: string,
    digest: Digest,
    work: () => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    signal?.throwIfAborted();
    // Plans have different sources and may be stopped individually, so they do not share failures.
    const create = (): Target => ({ done: new Set(), running: new SingleFlight({ sharesFailures: false }) });
    const { done, running } = getOrCreate(this.#targets, target, create);
    if (done.has(digest)) return false;
    let didWork = false;
    const store = async (): Promise<void> => {
      if (done.has(digest)) return;
      didWork = true;
      await work();
      done.add(digest);
    };
    await running.run(digest, store, signal);
    return didWork;
  }

  /** Whether a plan has stored the blob or manifest in the target. Waits for a plan that is sending it. */
  async has(target: string, digest: string): Promise<boolean> {
    const transfers = this.#targets.get(target);
    const running = transfers?.running.get(digest as Digest);
    if (running === undefined) return transfers?.done.has(digest as Digest) === true;
    return running.then(
      () => true,
      () => false,
    );
  }

  /** Forgets a target that no further plan writes to. */
  forget(target: string): void {
    this.#targets.delete(target);
  }
}

import { getOrCreate, SingleFlight } from '../async/single-flight.ts';
import type { Digest } from '../oci/digest.ts';

/** The blobs and manifests that one target gets. */
interface Target {
  readonly done: Set<Digest>;
  readonly running: SingleFlight<void, Digest>;
}

/** What the plans of one command transfer: a blob or manifest that several of them need is sent to a target once. */
export class SharedTransfers {
  readonly #targets = new Map<string, Target>();

  /**
   * Does the work unless another plan has done it. Waits for a plan that is doing it; if that plan fails, for example
   * because another part of it has failed, the work is done here.
   * @returns whether it was done here
   */
  async run(
    target: string,
    digest: Digest,
    work: () => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    signal?.throwIfAborted();
    // Each plan has its own source, and stops for its own reasons.
    const create = (): Target => ({ done: new Set(), running: new SingleFlight({ sharesFailures: false }) });
    const { done, running } = getOrCreate(this.#targets, target, create);
    if (done.has(digest)) return false;
    let isDoneHere = false;
    const store = async (): Promise<void> => {
      if (done.has(digest)) return;
      isDoneHere = true;
      await work();
      done.add(digest);
    };
    await running.run(digest, store, signal);
    return isDoneHere;
  }

  /** Whether a plan has stored it at the target. Waits for a plan that is doing so. */
  async has(target: string, digest: string): Promise<boolean> {
    const known = this.#targets.get(target);
    const running = known?.running.get(digest as Digest);
    if (running === undefined) return known?.done.has(digest as Digest) === true;
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

import type { Digest } from '../oci/digest.ts';

/** What several plans bring to their targets: blobs and manifests that more than one of them needs go there once. */
export class Brought {
  /** By target, then by digest: the work while it is under way, then that it is done. */
  readonly #targets = new Map<string, Map<Digest, Promise<void> | 'done'>>();

  /**
   * Does the work, unless it was done before; where somebody is at it, waits for them. Where they fail, for example
   * because another part of their plan did, it is done here.
   * @returns whether it was done here
   */
  async bring(
    target: string,
    digest: Digest,
    signal: AbortSignal | undefined,
    work: () => Promise<void>,
  ): Promise<boolean> {
    for (;;) {
      signal?.throwIfAborted();
      const known = this.#of(target).get(digest);
      if (known === undefined) break;
      if (known === 'done') return false;
      await known.catch(() => undefined);
    }
    const there = this.#of(target);
    const working = work();
    there.set(digest, working);
    try {
      await working;
      there.set(digest, 'done');
      return true;
    } catch (thrown) {
      there.delete(digest);
      throw thrown;
    }
  }

  /** Whether a plan has stored it at the target. Waits for a plan that is doing so. */
  async has(target: string, digest: string): Promise<boolean> {
    const known = this.#targets.get(target)?.get(digest as Digest);
    if (known === undefined || known === 'done') return known === 'done';
    return known.then(
      () => true,
      () => false,
    );
  }

  /** Lets go of what is known of a target that nothing more goes to. */
  forget(target: string): void {
    this.#targets.delete(target);
  }

  #of(target: string): Map<Digest, Promise<void> | 'done'> {
    let there = this.#targets.get(target);
    if (there === undefined) this.#targets.set(target, (there = new Map<Digest, Promise<void> | 'done'>()));
    return there;
  }
}

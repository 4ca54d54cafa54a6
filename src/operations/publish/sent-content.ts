import type { Digest } from '../../oci/digest.ts';
import type { OnEvent } from '../events.ts';

/**
 * Receives the events of transfers to one target, records which content and names have been stored there, and forwards
 * the events.
 */
export class SentContent {
  /** The digests of blobs and manifests. */
  readonly digests = new Set<Digest>();
  readonly names = new Set<string>();
  readonly #next: OnEvent | undefined;

  constructor(next: OnEvent | undefined) {
    this.#next = next;
  }

  readonly onEvent: OnEvent = (event) => {
    if (event.type === 'blob' || event.type === 'manifest' || event.type === 'tagged') this.digests.add(event.digest);
    if (event.type === 'tagged') this.names.add(event.name);
    this.#next?.(event);
  };
}

import type { TransferEvent } from '../../transfer/run.ts';
import type { OnEvent } from '../events.ts';

/** Counts of transferred blobs and manifests. `bytes` is the total size of the uploaded blobs. */
export interface TransferCounts {
  readonly manifests: number;
  readonly mounted: number;
  readonly uploaded: number;
  readonly present: number;
  readonly bytes: number;
}

export const noTransfers: TransferCounts = { manifests: 0, mounted: 0, uploaded: 0, present: 0, bytes: 0 };

/** Counts transferred content from events, and forwards the events. */
export class TransferCounter {
  #moved: TransferCounts = noTransfers;
  readonly #next: OnEvent | undefined;

  constructor(next: OnEvent | undefined) {
    this.#next = next;
  }

  get moved(): TransferCounts {
    return this.#moved;
  }

  readonly onEvent = (event: Parameters<OnEvent>[0]): void => {
    if (event.type === 'blob' || event.type === 'manifest' || event.type === 'tagged')
      this.#moved = counted(this.#moved, event);
    this.#next?.(event);
  };
}

function counted(moved: TransferCounts, event: TransferEvent): TransferCounts {
  if (event.type !== 'blob') return { ...moved, manifests: moved.manifests + 1 };
  const bytes = event.how === 'uploaded' ? event.size : 0;
  return { ...moved, [event.how]: moved[event.how] + 1, bytes: moved.bytes + bytes };
}

import type { TransferEvent } from '../../transfer/run.ts';
import type { OnEvent } from '../events.ts';

/** Numbers of copied blobs and manifests. `bytes` is the number of bytes that were read from the source. */
export interface TransferCounts {
  readonly manifests: number;
  readonly mounted: number;
  readonly uploaded: number;
  readonly present: number;
  readonly bytes: number;
}

export const noTransfers: TransferCounts = { manifests: 0, mounted: 0, uploaded: 0, present: 0, bytes: 0 };

/** Counts copied content from events, and passes the events on. */
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

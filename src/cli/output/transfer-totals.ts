import { byteSize, counted } from '../../text/quantity.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { OperationEvent } from '../../operations/events.ts';
import type { Output } from './output.ts';

interface Amount {
  readonly blobs: number;
  readonly bytes: number;
}

const nothing: Amount = { blobs: 0, bytes: 0 };

/**
 * Counts the blobs that a command has uploaded, and the blobs that it did not have to upload, because the target
 * already had them or could mount them.
 */
export class TransferTotals {
  readonly #amounts = { uploaded: nothing, mounted: nothing, present: nothing };

  update(event: OperationEvent): void {
    if (event.type === 'blob') this.#add(event.how, event.size);
  }

  /** Adds blobs that were found at the target before anything was sent. */
  addPresent(blobs: readonly Descriptor[]): void {
    for (const { size } of blobs) this.#add('present', size);
  }

  /** Prints a line if there were any blobs: `sent 12.3 MiB in 2 blobs, saved 4.5 MiB (1 blob mounted)`. */
  report(output: Output): void {
    const { uploaded, mounted, present } = this.#amounts;
    if (uploaded.blobs + mounted.blobs + present.blobs === 0) return;
    const sent =
      uploaded.blobs === 0 ? 'no blobs' : `${byteSize(uploaded.bytes)} in ${counted(uploaded.blobs, 'blob')}`;
    const saved = [
      ...(mounted.blobs === 0 ? [] : [`${counted(mounted.blobs, 'blob')} mounted`]),
      ...(present.blobs === 0 ? [] : [`${counted(present.blobs, 'blob')} already present`]),
    ];
    const amount = byteSize(mounted.bytes + present.bytes);
    output.note(['sent ', 'dim'], saved.length === 0 ? sent : `${sent}, saved ${amount} (${saved.join(', ')})`);
  }

  #add(how: 'uploaded' | 'mounted' | 'present', size: number): void {
    const { blobs, bytes } = this.#amounts[how];
    this.#amounts[how] = { blobs: blobs + 1, bytes: bytes + size };
  }
}

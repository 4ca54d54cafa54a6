import { shortDigest } from '../../oci/digest.ts';
import type { OperationEvent } from '../../operations/events.ts';
import { byteSize } from '../../text/quantity.ts';
import { padToWidth, truncateToWidth } from '../../text/display-width.ts';
import type { Output } from './output.ts';
import { TransferRate } from './transfer-rate.ts';

/** The maximum number of blobs that have a progress line of their own. */
const MAX_LINES = 6;
const BAR_WIDTH = 16;
/** The maximum width of an image name, in columns. Longer names are cut. */
const MAX_NAME = 20;
/** The minimum interval between two updates of the screen. */
const INTERVAL_MS = 100;

interface Transfer {
  readonly digest: string;
  readonly size: number;
  readonly moved: number;
  readonly image?: string;
}

/**
 * Draws progress lines at the bottom of a terminal: one for each blob that is being transferred, and one for the total.
 */
export class LiveProgress {
  readonly #output: Output;
  readonly #now: () => number;
  readonly #active = new Map<string, Transfer>();
  readonly #total = { blobs: 0, bytes: 0 };
  readonly #done = { blobs: 0, bytes: 0 };
  readonly #rate = new TransferRate();
  #lastDrawn = Number.NEGATIVE_INFINITY;

  /** @param now - returns the time in milliseconds */
  constructor(output: Output, now: () => number = Date.now) {
    this.#output = output;
    this.#now = now;
  }

  update(event: OperationEvent): void {
    switch (event.type) {
      case 'started':
        this.#rate.start(this.#now());
        this.#total.blobs += event.blobs;
        this.#total.bytes += event.bytes;
        break;
      case 'progress':
        this.#rate.add(this.#now(), event.moved - (this.#active.get(keyOf(event))?.moved ?? 0));
        this.#active.set(keyOf(event), event);
        break;
      case 'blob':
        this.#active.delete(keyOf(event));
        this.#done.blobs += 1;
        this.#done.bytes += event.size;
        break;
      default:
        return;
    }
    const isOver = this.#done.blobs >= this.#total.blobs;
    const now = this.#now();
    if (!isOver && now - this.#lastDrawn < INTERVAL_MS) return;
    this.#lastDrawn = now;
    this.#output.setFooter(isOver ? [] : this.#lines());
  }

  #lines(): readonly string[] {
    const active = [...this.#active.values()];
    const bytes = active.reduce((sum, { moved }) => sum + moved, this.#done.bytes);
    const more = active.length > MAX_LINES ? [`... and ${active.length - MAX_LINES} more`] : [];
    const { blobs: count, bytes: size } = this.#total;
    const rest = this.#rate.text(this.#now(), size - bytes);
    const total = `${this.#done.blobs} of ${count} blobs, ${byteSize(bytes)} of ${byteSize(size)}${rest}`;
    const shown = active.slice(0, MAX_LINES);
    const widest = Math.min(MAX_NAME, Math.max(0, ...shown.map(({ image = '' }) => image.length)));
    return [...shown.map((transfer) => lineOf(transfer, widest)), ...more, total];
  }
}

function keyOf({ target, digest }: { readonly target: string; readonly digest: string }): string {
  return `${target} ${digest}`;
}

/**
 * Formats the line of a transfer.
 * @param width - the columns for the image name; 0 if no transfer has an image
 */
function lineOf({ digest, size, moved, image = '' }: Transfer, width: number): string {
  const filled = size === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.floor((BAR_WIDTH * moved) / size));
  const bar = '#'.repeat(filled).padEnd(BAR_WIDTH, '.');
  const name = width === 0 ? '' : `${padToWidth(truncateToWidth(image, width), width)} `;
  return `${name}${shortDigest(digest)} [${bar}] ${byteSize(moved)} of ${byteSize(size)}`;
}

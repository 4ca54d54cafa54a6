import type { Output } from './output.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { OperationEvent } from '../../operations/events.ts';

/** At most this many blobs have a line of their own. */
const MAX_LINES = 6;
const BAR_WIDTH = 24;
/** The minimum interval between two updates of the screen. */
const INTERVAL_MS = 100;

interface Transfer {
  readonly digest: string;
  readonly size: number;
  readonly moved: number;
}

/** Progress lines at the bottom of a terminal: one for each active transfer of a blob, and one for the total. */
export class LiveProgress {
  readonly #output: Output;
  readonly #now: () => number;
  readonly #active = new Map<string, Transfer>();
  readonly #total = { blobs: 0, bytes: 0 };
  readonly #done = { blobs: 0, bytes: 0 };
  #lastDrawn = Number.NEGATIVE_INFINITY;

  /** @param now - the time in milliseconds */
  constructor(output: Output, now: () => number = Date.now) {
    this.#output = output;
    this.#now = now;
  }

  update(event: OperationEvent): void {
    switch (event.type) {
      case 'started':
        this.#total.blobs += event.blobs;
        this.#total.bytes += event.bytes;
        break;
      case 'progress':
        this.#active.set(`${event.target} ${event.digest}`, event);
        break;
      case 'blob':
        this.#active.delete(`${event.target} ${event.digest}`);
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
    const total = `${this.#done.blobs} of ${count} blobs, ${byteSize(bytes)} of ${byteSize(size)}`;
    return [...active.slice(0, MAX_LINES).map(lineOf), ...more, total];
  }
}

function lineOf({ digest, size, moved }: Transfer): string {
  const filled = size === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.floor((BAR_WIDTH * moved) / size));
  const bar = '#'.repeat(filled).padEnd(BAR_WIDTH, '.');
  return `${shortDigest(digest)} [${bar}] ${byteSize(moved)} of ${byteSize(size)}`;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Formats a number of bytes: `12.3 MiB`. */
export function byteSize(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${step === 0 ? String(bytes) : (bytes / 1024 ** step).toFixed(1)} ${units[step] ?? ''}`;
}

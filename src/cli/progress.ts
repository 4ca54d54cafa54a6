import { shortDigest } from '../oci/digest.ts';
import type { OperationEvent } from '../ops/events.ts';
import { byteSize } from './byte-size.ts';
import type { Output } from './output.ts';

/** More blobs at once than this are only counted. */
const SHOWN = 6;
const BAR = 24;
/** The screen is drawn again after so many milliseconds at the earliest. */
const PAUSE_MS = 100;

interface Moving {
  readonly digest: string;
  readonly size: number;
  readonly moved: number;
}

/** What is on its way, as lines at the foot of a terminal: each blob with its bytes, and all together. */
export class LiveProgress {
  readonly #output: Output;
  readonly #now: () => number;
  readonly #moving = new Map<string, Moving>();
  readonly #all = { blobs: 0, bytes: 0 };
  readonly #done = { blobs: 0, bytes: 0 };
  #drawn = Number.NEGATIVE_INFINITY;

  /** @param now - milliseconds of a clock */
  constructor(output: Output, now: () => number = Date.now) {
    this.#output = output;
    this.#now = now;
  }

  see(event: OperationEvent): void {
    switch (event.type) {
      case 'started':
        this.#all.blobs += event.blobs;
        this.#all.bytes += event.bytes;
        break;
      case 'progress':
        this.#moving.set(`${event.target} ${event.digest}`, event);
        break;
      case 'blob':
        this.#moving.delete(`${event.target} ${event.digest}`);
        this.#done.blobs += 1;
        this.#done.bytes += event.size;
        break;
      default:
        return;
    }
    const isOver = this.#done.blobs >= this.#all.blobs;
    const now = this.#now();
    if (!isOver && now - this.#drawn < PAUSE_MS) return;
    this.#drawn = now;
    this.#output.foot(isOver ? [] : this.#lines());
  }

  #lines(): readonly string[] {
    const moving = [...this.#moving.values()];
    const bytes = moving.reduce((sum, { moved }) => sum + moved, this.#done.bytes);
    const more = moving.length > SHOWN ? [`... and ${moving.length - SHOWN} more`] : [];
    const { blobs: count, bytes: size } = this.#all;
    const total = `${this.#done.blobs} of ${count} blobs, ${byteSize(bytes)} of ${byteSize(size)}`;
    return [...moving.slice(0, SHOWN).map(lineOf), ...more, total];
  }
}

function lineOf({ digest, size, moved }: Moving): string {
  const filled = size === 0 ? BAR : Math.min(BAR, Math.floor((BAR * moved) / size));
  const bar = '#'.repeat(filled).padEnd(BAR, '.');
  return `${shortDigest(digest)} [${bar}] ${byteSize(moved)} of ${byteSize(size)}`;
}

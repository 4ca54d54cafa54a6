import { formatLocation } from '../oci/location.ts';
import type { Homes } from './homes.ts';
import { resolveSource, type Resolved } from './resolve-source.ts';
import type { EntrySpec, ListSpec } from './spec.ts';

/**
 * Reads each distinct source once in a run, however many lists it is in. How often each is needed is known beforehand: what
 * was read is let go when the last list has had it, so that memory does not grow with the number of lists.
 */
export class SourceReader {
  readonly #homes: Homes;
  readonly #signal: AbortSignal | undefined;
  readonly #needed = new Map<string, number>();
  readonly #reading = new Map<string, Promise<Resolved>>();

  constructor(specs: readonly ListSpec[], homes: Homes, signal: AbortSignal | undefined) {
    this.#homes = homes;
    this.#signal = signal;
    for (const { content } of specs) {
      if (content.kind === 'copy') continue;
      for (const entry of content.entries) {
        const key = keyOf(entry);
        this.#needed.set(key, (this.#needed.get(key) ?? 0) + 1);
      }
    }
  }

  read(entry: EntrySpec): Promise<Resolved> {
    const key = keyOf(entry);
    const needed = (this.#needed.get(key) ?? 1) - 1;
    const known = this.#reading.get(key);
    const reading = known ?? resolveSource({ location: entry.location }, { homes: this.#homes, signal: this.#signal });
    this.#needed.set(key, needed);
    if (needed > 0) this.#reading.set(key, reading);
    else {
      this.#needed.delete(key);
      this.#reading.delete(key);
    }
    reading.catch(() => undefined);
    return reading;
  }
}

function keyOf({ location }: EntrySpec): string {
  return formatLocation(location);
}

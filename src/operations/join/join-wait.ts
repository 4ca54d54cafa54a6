import { setTimeout as sleep } from 'node:timers/promises';
import { backoff } from '../../store/registry/http/retry.ts';

export interface JoinWaitOptions {
  /** Milliseconds to wait for the others; 0: not at all. */
  readonly waitMs: number;
  /** Milliseconds between two snapshots that show nothing to do. */
  readonly settleMs: number;
  readonly signal?: AbortSignal | undefined;
}

const LONGEST_PAUSE_MS = 5000;
/** How long a registry may take to show what it has accepted, where no wait is given. */
const SHOWN_WITHIN_MS = 60_000;

/** The pauses of a join, and the time limits of its waits. All are measured by the monotonic clock. */
export class JoinWait {
  readonly #options: JoinWaitOptions;
  #end = 0;
  #poll: number;
  #registry: { readonly since: number; readonly pauseMs: number } | undefined;

  constructor(options: JoinWaitOptions) {
    this.#options = options;
    this.#poll = Math.min(1000, options.settleMs);
  }

  /** Starts the wait: the images are pushed. */
  begin(): void {
    this.#end = performance.now() + this.#options.waitMs;
  }

  /** Pauses before the slots of the others are read again. False where the wait is over. */
  async forOthers(): Promise<boolean> {
    const left = this.#end - performance.now();
    if (left <= 0) return false;
    await this.pause(Math.min(left, spread(this.#poll)));
    this.#poll = Math.min(this.#poll * 1.3, LONGEST_PAUSE_MS);
    return true;
  }

  /**
   * Pauses, each time for longer, before the registry is asked again for what it has accepted. False where it took too
   * long: the wait is over, and the registry had a minute for this write, or the length of a wait that is shorter.
   */
  async forRegistry(): Promise<boolean> {
    const { waitMs, settleMs } = this.#options;
    const now = performance.now();
    const { since, pauseMs } = this.#registry ?? { since: now, pauseMs: settleMs / 4 };
    const patienceMs = waitMs > 0 ? Math.min(waitMs, SHOWN_WITHIN_MS) : SHOWN_WITHIN_MS;
    const left = Math.max(this.#end, since + patienceMs) - now;
    if (left <= 0) return false;
    this.#registry = { since, pauseMs: Math.min(pauseMs * 2, LONGEST_PAUSE_MS) };
    await this.pause(Math.min(left, spread(pauseMs)));
    return true;
  }

  /** The registry has shown the accepted write. */
  registryShows(): void {
    this.#registry = undefined;
  }

  /** Pauses before another attempt at a write that has failed so many times. */
  async afterFailures(times: number): Promise<void> {
    await this.pause(backoff(times));
  }

  async pause(milliseconds: number): Promise<void> {
    const { signal } = this.#options;
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
    signal?.throwIfAborted();
  }
}

/** At random up to a quarter more or less, so that participants do not all ask at once. */
function spread(milliseconds: number): number {
  return milliseconds * (0.75 + Math.random() / 2);
}

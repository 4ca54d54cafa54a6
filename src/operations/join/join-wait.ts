import { setTimeout as sleep } from 'node:timers/promises';
import { backoff } from '../../store/registry/http/retry.ts';

export interface JoinWaitOptions {
  /** Maximum time, in milliseconds, to wait for the other participants. 0: do not wait. */
  readonly waitMs: number;
  /** Milliseconds between two snapshots if there is nothing to do. */
  readonly settleMs: number;
  readonly signal?: AbortSignal | undefined;
}

const LONGEST_PAUSE_MS = 5000;
/**
 * Time limit, in milliseconds, for the registry to return an accepted write. A shorter `waitMs` other than 0 takes
 * precedence. The limit is not applied before the wait for other participants is over.
 */
const SHOWN_WITHIN_MS = 60_000;

/** Pauses a join between its requests, and limits how long it waits. All times are measured by the monotonic clock. */
export class JoinWait {
  readonly #options: JoinWaitOptions;
  #end = 0;
  #poll: number;
  #registry: { readonly since: number; readonly pauseMs: number } | undefined;

  constructor(options: JoinWaitOptions) {
    this.#options = options;
    this.#poll = Math.min(1000, options.settleMs);
  }

  /** Starts the wait for other participants. Called after the images have been pushed. */
  begin(): void {
    this.#end = performance.now() + this.#options.waitMs;
  }

  /** Pauses before the slots are read again. Returns false without a pause if `waitMs` has elapsed. */
  async forOthers(): Promise<boolean> {
    const remaining = this.#end - performance.now();
    if (remaining <= 0) return false;
    await this.pause(Math.min(remaining, spread(this.#poll)));
    this.#poll = Math.min(this.#poll * 1.3, LONGEST_PAUSE_MS);
    return true;
  }

  /**
   * Pauses before a tag is read again because the registry does not return an accepted write yet. The pauses become
   * longer.
   * @returns false without a pause if the wait for other participants and the time limit for this write are both over
   */
  async forRegistry(): Promise<boolean> {
    const { waitMs, settleMs } = this.#options;
    const now = performance.now();
    const { since, pauseMs } = this.#registry ?? { since: now, pauseMs: settleMs / 4 };
    const limitMs = waitMs > 0 ? Math.min(waitMs, SHOWN_WITHIN_MS) : SHOWN_WITHIN_MS;
    const remaining = Math.max(this.#end, since + limitMs) - now;
    if (remaining <= 0) return false;
    this.#registry = { since, pauseMs: Math.min(pauseMs * 2, LONGEST_PAUSE_MS) };
    await this.pause(Math.min(remaining, spread(pauseMs)));
    return true;
  }

  /** Resets the wait for the registry. Called when no accepted write is awaited any more. */
  registryShows(): void {
    this.#registry = undefined;
  }

  /** Pauses before repeating a write that has failed this many times. */
  async afterFailures(times: number): Promise<void> {
    await this.pause(backoff(times));
  }

  async pause(milliseconds: number): Promise<void> {
    const { signal } = this.#options;
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
    signal?.throwIfAborted();
  }
}

/** Varies a pause by up to a quarter at random, so that participants do not all send requests at once. */
function spread(milliseconds: number): number {
  return milliseconds * (0.75 + Math.random() / 2);
}

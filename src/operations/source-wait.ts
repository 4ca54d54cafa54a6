import { setTimeout as sleep } from 'node:timers/promises';
import { MlistError } from '../errors/errors.ts';
import { waitFor } from '../async/pending.ts';
import { backoff } from '../store/registry/http/retry.ts';
import type { OnEvent } from './events.ts';
import type { Stores } from '../store/open.ts';

export interface SourceWaitOptions {
  readonly stores: Stores;
  /**
   * Maximum time, in milliseconds, to wait for a manifest while its registry returns 404. Default 0: the request is not
   * repeated.
   */
  readonly waitForSourceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/**
 * Reads a manifest, and retries while its registry returns 404: after a push, some registries return 404 until the
 * manifest has reached all of their servers.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the manifest does not exist after `waitForSourceMs`; any other error of
 * `read` immediately
 */
export async function waitForSource<T>(read: () => Promise<T>, options: SourceWaitOptions): Promise<T> {
  const { stores, waitForSourceMs = 0, signal, onEvent } = options;
  const time = `${waitForSourceMs / 1000}s`;
  let end: number | undefined;
  for (let tries = 1; ; tries += 1) {
    try {
      return await read();
    } catch (thrown) {
      if (waitForSourceMs === 0 || !isMissing(thrown)) throw thrown;
      const { code, message, facts } = thrown;
      const { reference = '' } = facts;
      if (end === undefined)
        onEvent?.({ type: 'note', message: `${reference} does not exist yet: waiting up to ${time}` });
      end ??= performance.now() + waitForSourceMs;
      const remaining = end - performance.now();
      if (remaining <= 0) throw new MlistError(code, `${message}: still missing after ${time}`, facts);
      const pause = sleep(Math.min(remaining, backoff(tries)), undefined, { signal }).catch(() => undefined);
      await waitFor(stores.waiting, `read ${reference} (last response: HTTP 404)`, pause);
      signal?.throwIfAborted();
    }
  }
}

function isMissing(thrown: unknown): thrown is MlistError {
  return thrown instanceof MlistError && thrown.code === 'ERR_MLIST_NOT_FOUND' && thrown.facts.status === 404;
}

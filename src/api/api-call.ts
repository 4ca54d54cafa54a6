import { setMaxListeners } from 'node:events';
import { asMlistError, errorMessage, MlistError } from '../errors/errors.ts';
import type { OnEvent } from '../operations/events.ts';
import type { CallOptions } from './inputs.ts';
import { checkOptions, type Checks } from './option-checks.ts';

/**
 * Runs the calls of a client. A call that fails rejects with an MlistError, whatever was thrown. If a callback of the
 * caller throws, the call is aborted with that error as the abort reason. The operation itself does not receive the
 * error.
 */
export class ApiCalls {
  readonly #onEvent: OnEvent | undefined;
  /**
   * One controller for each running call. A throwing callback of a call aborts only this call, a callback of the client
   * aborts all.
   */
  readonly #running = new Set<AbortController>();

  /** @param onEvent - the default for calls without an `onEvent` of their own */
  constructor(onEvent: OnEvent | undefined) {
    this.#onEvent = onEvent;
  }

  async run<T, O extends CallOptions>(
    options: O,
    checks: Checks<O>,
    work: (call: CallOptions) => Promise<T>,
  ): Promise<T> {
    const failed = this.#start();
    try {
      checkOptions(options, checks);
      const result = await work(this.#callOf(options, failed));
      failed.signal.throwIfAborted();
      return result;
    } catch (thrown) {
      throw apiError(thrown, options, failed);
    } finally {
      this.#running.delete(failed);
    }
  }

  /** Like `run`, for a call that returns its results one by one. */
  async *iterate<T, O extends CallOptions>(
    options: O,
    checks: Checks<O>,
    work: (call: CallOptions) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    const failed = this.#start();
    try {
      checkOptions(options, checks);
      yield* work(this.#callOf(options, failed));
      failed.signal.throwIfAborted();
    } catch (thrown) {
      throw apiError(thrown, options, failed);
    } finally {
      this.#running.delete(failed);
    }
  }

  /**
   * Returns a function that calls a callback of the client. If the callback throws, all running calls are aborted,
   * because calls share requests.
   */
  guard<E>(callback: ((event: E) => void) | undefined): ((event: E) => void) | undefined {
    return callback && guarded(callback, (thrown) => this.#running.forEach((failed) => failed.abort(thrown)));
  }

  #start(): AbortController {
    const failed = new AbortController();
    this.#running.add(failed);
    return failed;
  }

  #callOf({ signal: given, onEvent = this.#onEvent }: CallOptions, failed: AbortController): CallOptions {
    const signal = given === undefined ? failed.signal : AbortSignal.any([given, failed.signal]);
    // Each concurrent request adds a listener. Node would warn about more than ten.
    setMaxListeners(0, signal);
    return {
      signal,
      onEvent: onEvent && guarded(onEvent, (thrown) => failed.abort(thrown)),
    };
  }
}

function guarded<E>(callback: (event: E) => void, onError: (thrown: unknown) => void): (event: E) => void {
  return (event) => {
    try {
      callback(event);
    } catch (thrown) {
      onError(thrown);
    }
  };
}

function apiError(thrown: unknown, options: CallOptions, failed: AbortController): MlistError {
  // The types exclude null, but programs in JavaScript can pass it.
  const given = (options as CallOptions | null)?.signal;
  return interruptedError(thrown, failed.signal.aborted ? failed.signal : given);
}

/**
 * Converts what a call with this signal throws to an MlistError. After an abort, the thrown value is usually the abort
 * reason, which can have any type.
 */
export function interruptedError(thrown: unknown, signal: AbortSignal | undefined): MlistError {
  if (thrown instanceof MlistError || signal?.aborted !== true) return asMlistError(thrown);
  const { reason } = signal as { readonly reason: unknown };
  return new MlistError('ERR_MLIST_INTERRUPTED', `interrupted: ${errorMessage(reason)}`, { cause: reason });
}

import { setMaxListeners } from 'node:events';
import { asMlistError, errorMessage, MlistError } from '../errors/errors.ts';
import type { OnEvent } from '../operations/events.ts';
import type { CallOptions } from './inputs.ts';
import { checkOptions, type Checks } from './option-checks.ts';

/**
 * Runs the calls of a client, and converts every error to an MlistError. If a callback of the caller throws, the error
 * is not thrown into the running operation. Instead, the affected calls are aborted with the error as the reason.
 */
export class ApiCalls {
  readonly #onEvent: OnEvent | undefined;
  /**
   * One controller for each running call. If the `onEvent` of a call throws, only this call is aborted. If a callback
   * that was passed to `guard` throws, all calls are aborted.
   */
  readonly #running = new Set<AbortController>();

  /** @param onEvent - used for calls that have no `onEvent` */
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

  /** Like `run`, for a call that yields its results one by one. */
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
   * Wraps a callback whose events cannot be attributed to a single call, because calls share requests. If the callback
   * throws, all running calls are aborted.
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
    // Each concurrent request adds a listener, and by default Node prints a warning if there are more than ten.
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
 * Converts a thrown value to an MlistError. An MlistError is returned unchanged. If the signal is aborted, any other
 * value becomes `ERR_MLIST_INTERRUPTED` with the abort reason, because the value usually is that reason.
 */
export function interruptedError(thrown: unknown, signal: AbortSignal | undefined): MlistError {
  if (thrown instanceof MlistError || signal?.aborted !== true) return asMlistError(thrown);
  const { reason } = signal as { readonly reason: unknown };
  return new MlistError('ERR_MLIST_INTERRUPTED', `interrupted: ${errorMessage(reason)}`, { cause: reason });
}

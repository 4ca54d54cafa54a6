import { setMaxListeners } from 'node:events';
import { asMlistError, errorMessage, MlistError } from '../errors/errors.ts';
import type { OnEvent } from '../operations/events.ts';
import type { CallOptions } from './inputs.ts';
import { checkOptions, type Checks } from './option-checks.ts';

/**
 * Runs the calls of a client. Whatever fails, they reject with an MlistError. If a callback of the caller throws, the call
 * is aborted with this error, as if its signal had been aborted with it. The operation itself never sees the error.
 */
export class ApiCalls {
  readonly #onEvent: OnEvent | undefined;
  /** Of each running call: aborted when a callback throws. */
  readonly #running = new Set<AbortController>();

  /** @param onEvent - for calls that have none of their own */
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

  /** As `run`, for a call that returns its results one by one. */
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

  /** Wraps a callback of the client. If it throws, all running calls are aborted, because calls share requests. */
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
    // Concurrent requests listen to it.
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
  // Programs in JavaScript can pass null.
  const given = (options as CallOptions | null)?.signal;
  return interruptedError(thrown, failed.signal.aborted ? failed.signal : given);
}

/** Converts what a call with this signal throws: if it was aborted, usually the reason, which can be any value. */
export function interruptedError(thrown: unknown, signal: AbortSignal | undefined): MlistError {
  if (thrown instanceof MlistError || signal?.aborted !== true) return asMlistError(thrown);
  const { reason } = signal as { readonly reason: unknown };
  return new MlistError('ERR_MLIST_INTERRUPTED', `interrupted: ${errorMessage(reason)}`, { cause: reason });
}

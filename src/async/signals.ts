import { setMaxListeners } from 'node:events';

/** Links the abort signals of single operations to the abort signal of their session. */
export class LinkedSignals {
  readonly #session: AbortSignal | undefined;
  readonly #linked = new WeakMap<AbortSignal, AbortSignal>();
  readonly #delayed = new WeakMap<AbortSignal, AbortSignal>();

  constructor(session: AbortSignal | undefined) {
    this.#session = session;
  }

  /**
   * Returns a signal that aborts when the given signal or the session is aborted. Returns undefined if there is
   * neither. Creating a linked signal is slow, so all calls with the same signal return the same linked signal.
   */
  link(signal: AbortSignal | undefined): AbortSignal | undefined {
    const own = signal ?? this.#session;
    if (own === undefined) return undefined;
    let linked = this.#linked.get(own);
    if (linked === undefined) {
      linked = AbortSignal.any([own, this.#session ?? own]);
      setMaxListeners(0, linked);
      this.#linked.set(own, linked);
    }
    return linked;
  }

  /** Throws the abort reason if the signal or the session has been aborted. */
  throwIfAborted(signal?: AbortSignal): void {
    this.link(signal)?.throwIfAborted();
  }

  /**
   * Returns a signal for a request that must be sent even if the session has been aborted, such as a cleanup. It aborts
   * only after this time: `link` returns it unchanged.
   */
  timeout(milliseconds: number): AbortSignal {
    const signal = AbortSignal.timeout(milliseconds);
    this.#linked.set(signal, signal);
    return signal;
  }

  /**
   * Returns a signal that aborts this many milliseconds after the given one, which must not be aborted yet. All calls
   * with the same signal return the same delayed signal.
   */
  delayed(signal: AbortSignal, milliseconds: number): AbortSignal {
    let delayed = this.#delayed.get(signal);
    if (delayed === undefined) {
      const controller = new AbortController();
      const onAbort = () => setTimeout(() => controller.abort(signal.reason), milliseconds).unref();
      signal.addEventListener('abort', onAbort, { once: true });
      delayed = controller.signal;
      setMaxListeners(0, delayed);
      this.#delayed.set(signal, delayed);
    }
    return delayed;
  }
}

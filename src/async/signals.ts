import { setMaxListeners } from 'node:events';

/** Abort signals of single operations, each linked to the signal of the session that runs them. */
export class LinkedSignals {
  readonly #session: AbortSignal | undefined;
  readonly #linked = new WeakMap<AbortSignal, AbortSignal>();
  readonly #delayed = new WeakMap<AbortSignal, AbortSignal>();

  constructor(session: AbortSignal | undefined) {
    this.#session = session;
  }

  /**
   * A signal that aborts when the given signal or the session is aborted. Creating a linked signal is slow, so requests
   * with the same given signal share one.
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

  /** Throws the reason if the signal or the session has been aborted. */
  throwIfAborted(signal?: AbortSignal): void {
    this.link(signal)?.throwIfAborted();
  }

  /**
   * A signal for a request that is sent even after the session was aborted. It aborts after this time, and for no other
   * reason.
   */
  timeout(milliseconds: number): AbortSignal {
    const signal = AbortSignal.timeout(milliseconds);
    this.#linked.set(signal, signal);
    return signal;
  }

  /** A signal that aborts this many milliseconds after the given one. */
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

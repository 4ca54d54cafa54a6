import { untilAborted } from '../async/single-flight.ts';
import { MlistError } from '../errors/errors.ts';

/**
 * Thrown if a plan has not written its tags because another plan has failed. The error of the other plan contains the
 * reason.
 */
export class HeldBackError extends MlistError {
  constructor() {
    super('ERR_MLIST_CONFLICT', 'no tag was written, because another target failed');
  }
}

/** The part of a gate that one plan uses. */
export interface GateEntrance {
  /** Reports that the plan has stored its content, or has nothing to store. Further calls have no effect. */
  readonly arrive: () => void;
  /**
   * Calls `arrive`, and waits until all other plans have arrived.
   * @throws HeldBackError if one of them has failed; the reason of the signal if it is aborted
   */
  readonly pass: (signal: AbortSignal | undefined) => Promise<void>;
}

/** Holds back the tags of all plans until every plan has stored its content. */
export class NameGate {
  readonly #opened: Promise<void>;
  #open: () => void = () => undefined;
  #reject: (error: MlistError) => void = () => undefined;
  #missing: number;

  /** @param plans - the number of plans */
  constructor(plans: number) {
    this.#missing = plans;
    this.#opened = new Promise<void>((resolve, reject) => {
      this.#open = resolve;
      this.#reject = reject;
    });
    // This avoids an unhandled rejection if a plan fails while no other plan waits.
    this.#opened.catch(() => undefined);
  }

  entrance(): GateEntrance {
    let hasArrived = false;
    const arrive = (): void => {
      if (hasArrived) return;
      hasArrived = true;
      this.#missing -= 1;
      if (this.#missing === 0) this.#open();
    };
    return {
      arrive,
      pass: (signal) => {
        arrive();
        return untilAborted(this.#opened, signal);
      },
    };
  }

  /** Stops the waiting plans, because another plan has failed. Has no effect on an open gate. */
  close(): void {
    this.#reject(new HeldBackError());
  }
}

/** A step that a command waits for, such as `read docker.io/library/ubuntu:22.04`. */
export interface Step {
  /** The action on the reference, such as `read` or `list the tags of`. */
  readonly what: string;
  readonly reference: string;
}

/**
 * Awaits work, and records it as pending under a description such as `read stdin`. If the command times out, its error
 * lists the pending work.
 */
export type ReportPending = <T>(what: string, work: Promise<T>) => Promise<T>;

/** Awaits work, and reports it as pending if a reporter is given. */
export function waitFor<T>(waiting: ReportPending | undefined, what: string, work: Promise<T>): Promise<T> {
  return waiting === undefined ? work : waiting(what, work);
}

export interface PendingStepOptions {
  /** Whether other steps may be waiting for this one. If so, it is listed before the others. Default false. */
  readonly isShared?: boolean | undefined;
  /** Returns the progress of the step, such as `10 of 20 bytes sent`. */
  readonly progress?: (() => string) | undefined;
}

interface OpenStep extends PendingStepOptions {
  /** The description, such as `read docker.io/library/ubuntu:22.04`. */
  readonly text: string;
  response?: string | undefined;
}

/** Records the steps that a command is waiting for. If the command times out, its error lists them. */
export class PendingSteps {
  readonly #open = new Set<OpenStep>();

  /**
   * Records the start of a step.
   * @returns a function that ends the step
   */
  begin(step: Step, options: PendingStepOptions = {}): () => void {
    const open = { text: textOf(step), ...options };
    this.#open.add(open);
    return () => {
      this.#open.delete(open);
    };
  }

  /** Records the last response to a step that is retried, such as `HTTP 503`. */
  recordResponse(step: Step, response: string): void {
    const text = textOf(step);
    for (const open of this.#open) if (open.text === text) open.response = response;
  }

  /**
   * Returns descriptions of the pending steps, without duplicates, each with its progress and last response. Shared
   * steps come first, then steps with a response, then the others; each group begins with its oldest step.
   */
  get all(): readonly string[] {
    const byText = new Map<string, OpenStep>();
    for (const open of this.#open) {
      const { progress = open.progress, response = open.response } = byText.get(open.text) ?? {};
      byText.set(open.text, { ...open, progress, response });
    }
    return [...byText.values()].sort((left, right) => rank(left) - rank(right)).map(describe);
  }
}

function textOf({ what, reference }: Step): string {
  return `${what} ${reference}`;
}

function rank({ isShared = false, response }: OpenStep): number {
  if (isShared) return 0;
  return response === undefined ? 2 : 1;
}

function describe({ text, progress, response }: OpenStep): string {
  const details = [progress?.(), response === undefined ? undefined : `last response: ${response}`];
  const detail = details.filter((each) => each !== undefined).join('; ');
  return detail === '' ? text : `${text} (${detail})`;
}

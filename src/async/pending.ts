/** A step that a command waits for, such as `read docker.io/library/ubuntu:22.04`. */
export interface Step {
  /** A verb with its object, such as `read` or `read a config`. */
  readonly what: string;
  readonly reference: string;
}

/** Awaits work with a description such as `read stdin`, so that a timeout error can report pending work. */
export type ReportPending = <T>(what: string, work: Promise<T>) => Promise<T>;

/** Awaits work, and reports it as pending if a reporter is given. */
export function waitFor<T>(waiting: ReportPending | undefined, what: string, work: Promise<T>): Promise<T> {
  return waiting === undefined ? work : waiting(what, work);
}

export interface PendingStepOptions {
  /** Whether other steps wait for this one, so that it is listed before them. Default false. */
  readonly isShared?: boolean | undefined;
  /** Progress of the step, such as `10 of 20 bytes sent`. */
  readonly progress?: (() => string) | undefined;
}

interface OpenStep extends PendingStepOptions {
  /** The description, such as `read docker.io/library/ubuntu:22.04`. */
  readonly text: string;
  response?: string | undefined;
}

/** The registry requests that are pending. The error of a command that times out lists them. */
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
   * The pending steps without duplicates, as text with progress and last response: first shared steps, then steps with
   * a response, then the others, each group with the oldest first.
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

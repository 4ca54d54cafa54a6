/** A step as people call it: `read docker.io/library/ubuntu:22.04`. */
export interface Step {
  readonly what: string;
  readonly reference: string;
}

/** Awaits work under a name such as `read stdin`, so that an error at a deadline can say what was waited for. */
export type ReportPending = <T>(what: string, work: Promise<T>) => Promise<T>;

export function waitFor<T>(waiting: ReportPending | undefined, what: string, work: Promise<T>): Promise<T> {
  return waiting === undefined ? work : waiting(what, work);
}

export interface PendingStepOptions {
  /** Other steps wait for this one, so it is named before them. */
  readonly isShared?: boolean | undefined;
  /** How far the step has got, such as `10 of 20 bytes sent`. */
  readonly progress?: (() => string) | undefined;
}

interface OpenStep extends PendingStepOptions {
  /** `read docker.io/library/ubuntu:22.04` */
  readonly text: string;
  answer?: string | undefined;
}

/** The steps that registries have not answered yet: what a command that runs out of time has waited for. */
export class PendingSteps {
  readonly #open = new Set<OpenStep>();

  /** @returns what ends it */
  begin(step: Step, options: PendingStepOptions = {}): () => void {
    const one = { text: textOf(step), ...options };
    this.#open.add(one);
    return () => {
      this.#open.delete(one);
    };
  }

  /** Records the last answer to a step that is retried, such as `HTTP 503`. */
  recordResponse(step: Step, answer: string): void {
    const text = textOf(step);
    for (const one of this.#open) if (one.text === text) one.answer = answer;
  }

  /**
   * Each once, with its progress and the last answer to it. Steps that others wait for come first, then those that were
   * answered before, then the oldest.
   */
  get all(): readonly string[] {
    const byText = new Map<string, OpenStep>();
    for (const one of this.#open) {
      const { progress = one.progress, answer = one.answer } = byText.get(one.text) ?? {};
      byText.set(one.text, { ...one, progress, answer });
    }
    return [...byText.values()].sort((left, right) => rank(left) - rank(right)).map(describe);
  }
}

function textOf({ what, reference }: Step): string {
  return `${what} ${reference}`;
}

function rank({ isShared = false, answer }: OpenStep): number {
  if (isShared) return 0;
  return answer === undefined ? 2 : 1;
}

function describe({ text, progress, answer }: OpenStep): string {
  const facts = [progress?.(), answer === undefined ? undefined : `last answer: ${answer}`];
  const known = facts.filter((fact) => fact !== undefined).join('; ');
  return known === '' ? text : `${text} (${known})`;
}

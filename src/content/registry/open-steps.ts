import type { Step } from './failure.ts';

/** The steps that registries have not answered yet: what a command that runs out of time has waited for. */
export class OpenSteps {
  readonly #open = new Set<{ readonly step: Step }>();

  /** @returns what ends it */
  begin(step: Step): () => void {
    const one = { step };
    this.#open.add(one);
    return () => {
      this.#open.delete(one);
    };
  }

  /** The oldest first, each once; `read docker.io/library/ubuntu:22.04`. */
  get all(): readonly string[] {
    return [...new Set([...this.#open].map(({ step }) => `${step.what} ${step.reference}`))];
  }
}

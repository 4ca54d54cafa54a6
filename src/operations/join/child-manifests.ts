import { emptyDraft, listName, type Entry } from '../../draft/draft.ts';
import { encodeDraft } from '../../draft/to-list.ts';
import { repositoryName, type Reference } from '../../oci/reference.ts';
import { hasLostContent } from '../../transfer/unknown-content.ts';
import { runPlan } from '../../transfer/run.ts';
import type { MissingChoice } from '../publish/fill.ts';
import { afterMissing } from '../publish/missing-images.ts';
import type { PublishContext } from '../publish/publish.ts';
import { planPush, type PushPlan } from '../push/plan-push.ts';
import type { OpenPushJob } from '../push/push-options.ts';
import { SentContent } from '../publish/sent-content.ts';

interface ChildrenOptions extends PublishContext {
  readonly missing?: MissingChoice | undefined;
}

/** Pushes the images that one participant adds. The repository must have them before a tag refers to them. */
export class ChildPusher {
  readonly #job: OpenPushJob;
  readonly #options: ChildrenOptions;
  readonly #sent: SentContent;
  /** The first plan. It records which content was known to be in the repository. */
  #first: PushPlan | undefined;

  constructor(reference: Reference, entries: readonly Entry[], options: ChildrenOptions) {
    const draft = { ...emptyDraft(reference, 'oci'), entries };
    const location = { kind: 'registry', reference, explicit: true } as const;
    const target = { location, key: repositoryName(reference), tags: [] };
    const store = options.stores.registries.repository(reference);
    this.#job = { draft, encoded: encodeDraft(draft), target, store };
    this.#options = options;
    this.#sent = new SentContent(options.onEvent);
  }

  /** Sends the images that the repository lacks. */
  async push(): Promise<void> {
    const { stores, missing, signal } = this.#options;
    const options = { stores, afterMissing: afterMissing(missing), signal };
    try {
      this.#first = await planPush(this.#job, { sent: this.#sent.digests }, options);
      await this.#run(this.#first);
    } catch (thrown) {
      await this.#resend(thrown);
    }
  }

  /** Runs a write that needs the images. If the registry has lost images, sends them again and repeats the write. */
  async during<T>(write: () => Promise<T>): Promise<T> {
    return write().catch(async (thrown: unknown) => {
      await this.#resend(thrown);
      return write();
    });
  }

  /**
   * Sends the images again if a write failed because the repository has lost content that it was known to have.
   * @throws the error of the write, if the write failed for another reason
   */
  async #resend(thrown: unknown): Promise<void> {
    const { signal, onEvent } = this.#options;
    signal?.throwIfAborted();
    if (this.#first?.hasKnown !== true || !hasLostContent(thrown, this.#first.plan)) throw thrown;
    const message = `the registry has lost images of ${listName(this.#job.draft)}: sending them again`;
    onEvent?.({ type: 'note', message });
    await this.#run(await this.#first.repair(this.#sent.digests));
  }

  async #run({ plan }: PushPlan): Promise<void> {
    await runPlan(plan, { signal: this.#options.signal, onEvent: this.#sent.onEvent });
  }
}

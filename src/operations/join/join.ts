import { allOrErrors } from '../../async/settle.ts';
import { asMlistError, MlistError, SeveralErrors } from '../../errors/errors.ts';
import { emptyDraft, type Entry } from '../../draft/draft.ts';
import { contentOfList } from '../../draft/to-list.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { formatReference, repositoryName, type TagReference } from '../../oci/reference.ts';
import { resolveAll } from '../create/create.ts';
import { withInterruptionReport } from '../publish/interruption.ts';
import { SlotStore, isTransient, type PutResult } from './slot-store.ts';
import { ChildPusher } from './child-manifests.ts';
import { keepsChanging, notShown, waitTimedOut, withoutGroup, withoutTags } from './join-errors.ts';
import { DEFAULT_GROUP, type Group } from './group.ts';
import { requireBetter, requireValid, type JoinedList } from './joined-list.ts';
import { afterWrite, initialMemory, LIST, type Memory, type Write } from './protocol-memory.ts';
import { decide, type Decision, type Snapshot, type Participant, type SlotWrite } from './protocol.ts';
import { ownSlots, type OwnSlot } from './participant.ts';
import { fullPlatform, slotName } from './slot.ts';
import { JoinWait } from './join-wait.ts';
import { retryWithoutAttestations } from '../publish/missing-entries.ts';
import type { MissingPolicy } from '../publish/fill.ts';
import type { PublishContext } from '../publish/publish.ts';
import type { ManifestArgument } from '../sources/read-source.ts';
import type { SourceWaitOptions } from '../source-wait.ts';
import { replacedByList } from '../publish/tag-moves.ts';

export interface JoinOptions extends PublishContext, SourceWaitOptions, MissingPolicy {
  /** The build that this participant is part of. Default: a build named `default`. */
  readonly group?: Group | undefined;
  /**
   * All platforms of the build, in the order of the list. The tag is written when all have joined. Requires a group.
   */
  readonly expect?: readonly Platform[] | undefined;
  /**
   * Maximum time, in milliseconds, to wait for the other participants (only with `expect`), and for the registry to
   * return accepted writes. By default, a participant waits up to a minute for the registry, but not for others,
   * because the last participant completes the list.
   */
  readonly waitMs?: number | undefined;
  /** With `expect`: allow the list to replace a single image even if it lacks the image's platform. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Whether attestations are joined with their images. Default: `keep`. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Milliseconds between two snapshots with nothing to do. Default 1000. */
  readonly settleMs?: number | undefined;
}

export interface Joined {
  /** Canonical reference of the tag. */
  readonly ref: string;
  readonly group: Group;
  /** Whether the list is complete: it has all platforms of `expect`, or the platforms of all participants so far. */
  readonly complete: boolean;
  /** The expected platforms that have not joined yet. */
  readonly waiting: readonly string[];
  /**
   * The newer build that has superseded this one, if any. In this case, the list may lack the images of this
   * participant.
   */
  readonly superseded?: Group;
  /** The descriptor of the list, if it is complete. */
  readonly descriptor?: Descriptor;
  /** The slots of this participant. */
  readonly slots: readonly { readonly platform: string; readonly tag: string }[];
}

/**
 * Maximum number of rounds of writes. A participant normally needs fewer, however many participants there are, so
 * reaching it means that something else keeps changing the tag.
 */
const MAX_ROUNDS = 50;
/** Maximum number of reads of a tag list that lacks existing slots of this participant. */
const MAX_UNLISTED = 6;
const SETTLE_MS = 1000;

/**
 * Adds the images of this participant to a tag. Other participants can add images to it at the same time, and no merge
 * job is needed. docs/join.md describes the intermediate states of the tag, and why the list is complete in the end.
 * @throws MlistError the errors of reading and pushing the images; `ERR_MLIST_CONFLICT` if participants contradict each
 * other, the wait times out, others keep changing the tag, or (only with `waitMs`) a newer build has superseded this
 * one; `ERR_MLIST_REGISTRY` if the registry does not return an accepted write; `ERR_MLIST_EXPECTATION` if `expect`
 * lacks the platform of an image; `ERR_MLIST_LIST_INVALID` if there are no images, or the list would be invalid;
 * `ERR_MLIST_USAGE` if `expect` is set without `group`, or if an image has no platform
 */
export async function join(
  reference: TagReference,
  manifests: readonly ManifestArgument[],
  options: JoinOptions,
): Promise<Joined> {
  const { expect = [], onEvent } = options;
  if (expect.length > 0 && options.group === undefined) throw withoutGroup(formatReference(reference));
  options.stores.registries.expect([{ reference, push: true }]);
  const resolved = await resolveAll(manifests, { ...options, namedHosts: [reference.domain] });
  for (const event of resolved.flatMap(({ events }) => events)) onEvent?.(event);
  const entries = resolved.flatMap((source) => source.entries);
  return retryWithoutAttestations(entries, (remaining) => joinEntries(reference, remaining, options), onEvent);
}

async function joinEntries(reference: TagReference, entries: readonly Entry[], options: JoinOptions): Promise<Joined> {
  const target = formatReference(reference);
  const { expect = [], onEvent } = options;
  const own = ownSlots(entries, {
    target,
    expect,
    onLeft: ({ digest }) => onEvent?.({ type: 'left', what: 'attestation', digest, reason: 'its image is not joined' }),
  });
  const sources = own.flatMap((slot) => slot.sources);
  requireValid({ ...emptyDraft(reference, 'oci'), entries: sources });
  const hint = 'Slots that were pushed are kept. The next job that joins adds their images to the list.';
  return withInterruptionReport(options, (reported) => new JoinRun(reference, own, reported).run(), hint);
}

class JoinRun {
  readonly #reference: TagReference;
  readonly #target: string;
  readonly #own: readonly OwnSlot[];
  readonly #options: JoinOptions;
  readonly #participant: Participant;
  readonly #slotStore: SlotStore;
  readonly #waiting: JoinWait;
  readonly #children: ChildPusher;
  /** The error of the last failed write to each tag, keyed by tag. */
  readonly #failed = new Map<string, MlistError>();
  #memory: Memory = initialMemory;
  /** Whether this participant has written its own slots and waits for other slots. */
  #isPolling = false;

  constructor(reference: TagReference, own: readonly OwnSlot[], options: JoinOptions) {
    this.#reference = reference;
    this.#target = formatReference(reference);
    this.#own = own;
    this.#options = options;
    const entries = own.flatMap(({ sources }) => sources);
    this.#children = new ChildPusher(reference, entries, options);
    const { group = { id: DEFAULT_GROUP }, stores, signal, onEvent } = options;
    const platforms = [...new Set((options.expect ?? []).map(fullPlatform))];
    const expect = platforms.length === 0 ? undefined : platforms;
    const { retries } = stores.registries.repository(reference);
    this.#participant = { target: this.#target, group, began: Date.now(), expect, own, retries };
    this.#waiting = new JoinWait({ waitMs: options.waitMs ?? 0, settleMs: this.#settleMs, signal });
    const reported = new Set<string>();
    this.#slotStore = new SlotStore(reference, {
      stores,
      signal,
      targets: options.targets,
      names: expect?.map((platform) => slotName(reference.tag, platform)),
      own: own.map(({ name }) => name),
      onNonSlot: (name, reason) => {
        if (!reported.has(name)) onEvent?.({ type: 'warning', message: `the tag ${name} is ignored: ${reason}` });
        reported.add(name);
      },
    });
  }

  async run(): Promise<Joined> {
    await this.#children.push();
    const { waitMs = 0 } = this.#options;
    this.#waiting.begin();
    for (let rounds = 0; ;) {
      const snapshot = await this.#readSnapshot();
      const { decision, memory } = decide(this.#participant, this.#memory, snapshot);
      this.#memory = memory;
      this.#slotStore.logUnchanged(memory.written);
      this.#isPolling = decision.do === 'wait' && waitMs > 0;
      if (decision.do === 'await-shown') {
        const { name, written, shown } = decision;
        if (await this.#waiting.forRegistry()) continue;
        const tag = name === LIST ? this.#reference.tag : name;
        throw notShown(formatReference({ ...this.#reference, tag }), written, shown);
      }
      this.#waiting.registryShows();
      if (decision.do === 'end') return this.#joined({ complete: true, list: decision.list });
      if (decision.do === 'leave') return this.#superseded(decision);
      if (decision.do === 'give-up') throw this.#failureOf(decision.names);
      if (decision.do === 'wait') {
        if (waitMs === 0 && decision.isSettled) return this.#joined({ waiting: decision.waiting });
        if (waitMs === 0) await this.#waiting.pause(this.#settleMs);
        else if (!(await this.#waiting.forOthers())) throw waitTimedOut(this.#target, decision.waiting);
        continue;
      }
      rounds += 1;
      if (rounds > MAX_ROUNDS) throw keepsChanging(this.#target, MAX_ROUNDS);
      await this.#act(decision, snapshot);
    }
  }

  get #settleMs(): number {
    return this.#options.settleMs ?? SETTLE_MS;
  }

  /** Reads the slots and the tag. While this participant waits for others, retries failed reads (`--retries`). */
  async #readSnapshot(): Promise<Snapshot> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.#readListed();
      } catch (thrown) {
        this.#options.signal?.throwIfAborted();
        const mayPass = failures <= this.#participant.retries && isTransient(asMlistError(thrown));
        if (!this.#isPolling || !mayPass || !(await this.#waiting.forOthers())) throw thrown;
      }
    }
  }

  /** Reads the slots and the tag. Reads them again if the registry's tag list is outdated. */
  async #readListed(): Promise<Snapshot> {
    for (let reads = 1; ; reads += 1) {
      const snapshot = await this.#slotStore.read();
      const unlisted = this.#slotStore.unlisted(snapshot, this.#memory.written);
      if (unlisted.length === 0) return snapshot;
      if (reads >= MAX_UNLISTED) throw withoutTags(this.#target, unlisted);
      await this.#waiting.pause(reads * this.#settleMs * Math.random());
    }
  }

  async #act(
    decision: Extract<Decision, { do: 'put-slots' | 'put-list' | 'read-again' }>,
    snapshot: Snapshot,
  ): Promise<void> {
    switch (decision.do) {
      case 'read-again':
        return this.#waiting.pause(this.#settleMs);
      case 'put-slots':
        await allOrErrors(
          decision.writes.map((write) => this.#putSlot(write)),
          this.#options.signal,
        );
        break;
      case 'put-list': {
        requireBetter(decision.list, snapshot.base);
        const result = await this.#putList(decision, snapshot);
        if (result === 'refused') await this.#waiting.pause(Math.random() * Math.min(this.#settleMs, 250));
      }
    }
    const failures = Math.max(0, ...Object.values(this.#memory.failures));
    if (failures > 0 && failures <= this.#participant.retries) await this.#waiting.afterFailures(failures);
  }

  async #putSlot(write: SlotWrite): Promise<void> {
    const put = () => this.#slotStore.put(write.content, write.name, write.condition);
    this.#recordWrite(write, await this.#children.during(put));
  }

  async #putList({ list, write }: Extract<Decision, { do: 'put-list' }>, { base }: Snapshot): Promise<PutResult> {
    const { digest } = list;
    const replaced = replacedByList(this.#target, base, list.draft, this.#options.replaceImage === true);
    const { tag: name } = this.#reference;
    const result = await this.#slotStore.put(contentOfList(list), name, write.condition);
    this.#recordWrite(write, result);
    const event = { type: 'tagged', digest, name, target: repositoryName(this.#reference), ...replaced } as const;
    if (result === 'done') this.#options.onEvent?.(event);
    return result;
  }

  #recordWrite(write: Write, result: PutResult): void {
    if (typeof result !== 'string') this.#failed.set(write.name, result);
    this.#memory = afterWrite(this.#memory, write, typeof result === 'string' ? result : 'unclear');
  }

  /** Returns the last errors of the failed writes to these tags. */
  #failureOf(names: readonly string[]): MlistError {
    const [first, ...more] = names.flatMap((name) => this.#failed.get(name) ?? []);
    if (first === undefined) throw new MlistError('ERR_MLIST_UNEXPECTED', `no write of ${names.join(', ')} has failed`);
    return SeveralErrors.of([first, ...more]);
  }

  #superseded({ by }: Extract<Decision, { do: 'leave' }>): Joined {
    const own = this.#participant.group.id;
    const images = `so the images of build ${own} are not added to ${this.#target}`;
    const message = `the newer build ${by.id} has superseded build ${own}, ${images}`;
    if ((this.#options.waitMs ?? 0) > 0) {
      throw new MlistError('ERR_MLIST_CONFLICT', message, { reference: this.#target });
    }
    this.#options.onEvent?.({ type: 'warning', message });
    return this.#joined({ superseded: by });
  }

  #joined(more: { complete?: true; waiting?: readonly string[]; superseded?: Group; list?: JoinedList }): Joined {
    const { complete = false, waiting = [], superseded, list } = more;
    return {
      ref: this.#target,
      group: this.#participant.group,
      complete,
      waiting,
      ...(superseded === undefined ? {} : { superseded }),
      ...(list && { descriptor: contentOfList(list).descriptor }),
      slots: this.#own.map(({ platform, name }) => ({ platform, tag: name })),
    };
  }
}

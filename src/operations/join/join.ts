import { allOrErrors } from '../../async/settle.ts';
import { asMlistError, MlistError, SeveralErrors } from '../../errors/errors.ts';
import { emptyDraft, type Entry } from '../../draft/draft.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { formatReference, repositoryName, type Reference } from '../../oci/reference.ts';
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
import type { MissingChoice } from '../publish/find-missing.ts';
import type { PublishContext } from '../publish/publish.ts';
import type { ManifestArgument } from '../sources/resolve-source.ts';
import type { SourceWaitOptions } from '../source-wait.ts';
import { replacedByList } from '../publish/tag-moves.ts';

export interface JoinOptions extends PublishContext, SourceWaitOptions {
  /** The build that the runner is part of; those of one build count together. Default: one that is called `default`. */
  readonly group?: Group | undefined;
  /** All platforms of the build, in the list's order: the tag appears when the last is there. It needs a group. */
  readonly expect?: readonly Platform[] | undefined;
  /**
   * Milliseconds to wait for the others, with `expect`, and for the registry to show what it has accepted. Default: not
   * for the others, the last runner completes the list; a minute for the registry.
   */
  readonly waitMs?: number | undefined;
  /** With `expect`: let the list take the place of a single image whose platform it does not have. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Whether images that an index lists but its location does not have are refused or skipped. Default refuse. */
  readonly missing?: MissingChoice | undefined;
  /** Milliseconds between two looks that find nothing to do. Default 1000. */
  readonly settleMs?: number | undefined;
}

export interface Joined {
  /** Canonical reference of the tag. */
  readonly ref: string;
  readonly group: Group;
  /** The tag has all that there is to have: with `expect` all platforms, else those of all runners so far. */
  readonly complete: boolean;
  /** Platforms that are expected and not there yet. */
  readonly waiting: readonly string[];
  /** A newer build that has taken over; what this runner brought is not in the list. */
  readonly superseded?: Group;
  /** The list that the tag has, where it is complete. */
  readonly descriptor?: Descriptor;
  /** This runner's own. */
  readonly slots: readonly { readonly platform: string; readonly tag: string }[];
}

/** More rounds than this nobody needs, however many runners there are. */
const MAX_ROUNDS = 50;
/** How often the registry's list of tags may lack own slots that are there. */
const MAX_UNLISTED = 6;
const SETTLE_MS = 1000;

/**
 * Adds this runner's images to a tag that other runners add to at the same time, without anybody to merge. What the tag
 * shows meanwhile, and why it ends complete: docs/join.md.
 * @throws MlistError what reading and pushing the images throws; `ERR_MLIST_CONFLICT` where runners contradict each
 *   other, where the wait ends, or others keep changing the tag; `ERR_MLIST_REGISTRY` where the registry does not show
 *   what it has accepted; `ERR_MLIST_EXPECTATION`, `ERR_MLIST_LIST_INVALID`
 */
export async function join(
  reference: Reference & { readonly tag: string },
  manifests: readonly ManifestArgument[],
  options: JoinOptions,
): Promise<Joined> {
  const { expect = [], onEvent } = options;
  if (expect.length > 0 && options.group === undefined) throw withoutGroup(formatReference(reference));
  options.stores.registries.expect([{ reference, push: true }]);
  const resolved = await resolveAll(manifests, options);
  for (const event of resolved.flatMap(({ events }) => events)) onEvent?.(event);
  const entries = resolved.flatMap((source) => source.entries);
  return retryWithoutAttestations(entries, (there) => joinEntries(reference, there, options), onEvent);
}

async function joinEntries(
  reference: Reference & { readonly tag: string },
  entries: readonly Entry[],
  options: JoinOptions,
): Promise<Joined> {
  const target = formatReference(reference);
  const { expect = [], onEvent } = options;
  const own = ownSlots(entries, {
    target,
    expect,
    onLeft: ({ digest }) =>
      onEvent?.({ type: 'left', what: 'attestation', digest, reason: 'its image is not among those that join' }),
  });
  const sources = own.flatMap((slot) => slot.sources);
  requireValid({ ...emptyDraft(target, 'oci'), entries: sources });
  const hint = 'Slots that were pushed stay: the list takes them up when another runner joins.';
  return withInterruptionReport(options, (reported) => new Work(reference, own, reported).run(), hint);
}

/** One join on its way. */
class Work {
  readonly #reference: Reference & { readonly tag: string };
  readonly #target: string;
  readonly #own: readonly OwnSlot[];
  readonly #options: JoinOptions;
  readonly #runner: Participant;
  readonly #board: SlotStore;
  readonly #waiting: JoinWait;
  readonly #children: ChildPusher;
  /** What the registry answered last to a write that failed, by tag. */
  readonly #failed = new Map<string, MlistError>();
  #memory: Memory = initialMemory;
  /** With `waitMs`: its own slots are written, and others are missing. */
  #isPolling = false;

  constructor(reference: Reference & { readonly tag: string }, own: readonly OwnSlot[], options: JoinOptions) {
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
    this.#runner = { target: this.#target, group, began: Date.now(), expect, own, retries };
    this.#waiting = new JoinWait({ waitMs: options.waitMs ?? 0, settleMs: this.#settleMs, signal });
    const strange = new Set<string>();
    this.#board = new SlotStore(reference, {
      stores,
      signal,
      targets: options.targets,
      names: expect?.map((platform) => slotName(reference.tag, platform)),
      own: own.map(({ name }) => name),
      onStrange: (name, reason) => {
        if (!strange.has(name)) onEvent?.({ type: 'warning', message: `${name} does not count: ${reason}` });
        strange.add(name);
      },
    });
  }

  async run(): Promise<Joined> {
    await this.#children.push();
    const { waitMs = 0 } = this.#options;
    this.#waiting.begin();
    for (let rounds = 0; ;) {
      const look = await this.#look();
      const { decision, memory } = decide(this.#runner, this.#memory, look);
      this.#memory = memory;
      this.#board.logThere(memory.written);
      this.#isPolling = decision.do === 'wait' && waitMs > 0;
      if (decision.do === 'await-shown') {
        const { name, written, shown } = decision;
        if (await this.#waiting.forRegistry()) continue;
        const tag = name === LIST ? this.#reference.tag : name;
        throw notShown(formatReference({ ...this.#reference, tag }), written, shown);
      }
      this.#waiting.registryShows();
      if (decision.do === 'end') return this.#joined({ complete: true, list: decision.list });
      if (decision.do === 'leave') return this.#left(decision);
      if (decision.do === 'give-up') throw this.#failureOf(decision.names);
      if (decision.do === 'wait') {
        if (waitMs === 0 && decision.isSettled) return this.#joined({ waiting: decision.waiting });
        if (waitMs === 0) await this.#waiting.pause(this.#settleMs);
        else if (!(await this.#waiting.forOthers())) throw waitTimedOut(this.#target, decision.waiting);
        continue;
      }
      rounds += 1;
      if (rounds > MAX_ROUNDS) throw keepsChanging(this.#target, MAX_ROUNDS);
      await this.#act(decision, look);
    }
  }

  get #settleMs(): number {
    return this.#options.settleMs ?? SETTLE_MS;
  }

  /** Reads everything. While it waits for others, it reads again where that fails, as often as `--retries` says. */
  async #look(): Promise<Snapshot> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.#lookListed();
      } catch (thrown) {
        this.#options.signal?.throwIfAborted();
        const mayPass = failures <= this.#runner.retries && isTransient(asMlistError(thrown));
        if (!this.#isPolling || !mayPass || !(await this.#waiting.forOthers())) throw thrown;
      }
    }
  }

  /** Reads everything, again where the registry's list of tags is behind. */
  async #lookListed(): Promise<Snapshot> {
    for (let looks = 1; ; looks += 1) {
      const look = await this.#board.look();
      const unlisted = this.#board.unlisted(look, this.#memory.written);
      if (unlisted.length === 0) return look;
      if (looks >= MAX_UNLISTED) throw withoutTags(this.#target, unlisted);
      await this.#waiting.pause(looks * this.#settleMs * Math.random());
    }
  }

  async #act(
    decision: Extract<Decision, { do: 'put-slots' | 'put-list' | 'look-again' }>,
    look: Snapshot,
  ): Promise<void> {
    switch (decision.do) {
      case 'look-again':
        return this.#waiting.pause(this.#settleMs);
      case 'put-slots':
        await allOrErrors(
          decision.writes.map((write) => this.#putSlot(write)),
          this.#options.signal,
        );
        break;
      case 'put-list': {
        requireBetter(decision.list, look.base);
        const result = await this.#putList(decision, look);
        if (result === 'refused') await this.#waiting.pause(Math.random() * Math.min(this.#settleMs, 250));
      }
    }
    const failures = Math.max(0, ...Object.values(this.#memory.failures));
    if (failures > 0 && failures <= this.#runner.retries) await this.#waiting.afterFailures(failures);
  }

  async #putSlot(write: SlotWrite): Promise<void> {
    const put = () => this.#board.put(write.content, write.name, write.condition);
    this.#wrote(write, await this.#children.during(put));
  }

  async #putList({ list, write }: Extract<Decision, { do: 'put-list' }>, { base }: Snapshot): Promise<PutResult> {
    const { mediaType, digest, bytes } = list;
    const replaced = replacedByList(this.#target, base, list, this.#options.replaceImage === true);
    const { tag: name } = this.#reference;
    const content = { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    const result = await this.#board.put(content, name, write.condition);
    this.#wrote(write, result);
    const event = { type: 'tagged', digest, name, target: repositoryName(this.#reference), ...replaced } as const;
    if (result === 'done') this.#options.onEvent?.(event);
    return result;
  }

  #wrote(write: Write, result: PutResult): void {
    if (typeof result !== 'string') this.#failed.set(write.name, result);
    this.#memory = afterWrite(this.#memory, write, typeof result === 'string' ? result : 'unclear');
  }

  /** What the registry answered last to the writes of these tags. */
  #failureOf(names: readonly string[]): MlistError {
    const [first, ...more] = names.flatMap((name) => this.#failed.get(name) ?? []);
    if (first === undefined) throw new MlistError('ERR_MLIST_UNEXPECTED', `no write of ${names.join(', ')} has failed`);
    return SeveralErrors.of([first, ...more]);
  }

  #left({ by }: Extract<Decision, { do: 'leave' }>): Joined {
    const message = `${this.#target} belongs to the newer build ${by.id} now: what the build ${this.#runner.group.id} brings is not in it`;
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
      group: this.#runner.group,
      complete,
      waiting,
      ...(superseded === undefined ? {} : { superseded }),
      ...(list && { descriptor: { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length } }),
      slots: this.#own.map(({ platform, name }) => ({ platform, tag: name })),
    };
  }
}

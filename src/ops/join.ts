import { setTimeout as sleep } from 'node:timers/promises';
import { asMlistError, MlistError } from '../errors.ts';
import { emptyDraft, type Draft } from '../draft/draft.ts';
import { encodeDraft } from '../draft/list.ts';
import { checkDraft } from '../draft/rules.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Platform } from '../oci/platform.ts';
import { formatReference, repositoryName, type Reference } from '../oci/reference.ts';
import { hasErrors, refusal } from '../schema/problems.ts';
import { runPlan } from '../transfer/run.ts';
import { resolveAll } from './create.ts';
import type { OnEvent } from './events.ts';
import type { Homes } from './homes.ts';
import { Board, isPassing, type Outcome } from './join/board.ts';
import { DEFAULT_GROUP, type Group } from './join/group.ts';
import type { JoinedList } from './join/list.ts';
import {
  afterWrite,
  atFirst,
  decide,
  LIST,
  type Decision,
  type Look,
  type Memory,
  type Runner,
} from './join/protocol.ts';
import { ownSlots, type OwnSlot } from './join/runner.ts';
import { fullPlatform, slotName } from './join/slot.ts';
import { isLostContent } from './lost-content.ts';
import { planPush } from './push-plan.ts';
import type { ManifestArgument } from './resolve-source.ts';

export interface JoinOptions {
  readonly homes: Homes;
  /** The build that the runner is part of; those of one build count together. Default: one that is called `default`. */
  readonly group?: Group | undefined;
  /** All platforms of the build, in the list's order: the tag appears when the last is there. It needs a group. */
  readonly expect?: readonly Platform[] | undefined;
  /** Milliseconds to wait for the others, with `expect`. Default: none, the last runner completes the list. */
  readonly waitMs?: number | undefined;
  /** Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Milliseconds between two looks that find nothing to do. Default 1000. */
  readonly settleMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
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
/** Looks in a row that may fail since the registry has a fault. */
const MAX_FAILURES = 6;
const SETTLE_MS = 1000;
const LONGEST_POLL_MS = 5000;

/**
 * Adds this runner's images to a tag that other runners add to at the same time, without anybody to merge. What the tag
 * shows meanwhile, and why it ends complete: docs/join.md.
 * @throws MlistError what reading and pushing the images throws; `ERR_MLIST_CONFLICT` where runners contradict each
 *   other, where the wait ends, or the tag does not come to rest; `ERR_MLIST_EXPECTATION`, `ERR_MLIST_LIST_INVALID`
 */
export async function join(
  reference: Reference & { readonly tag: string },
  manifests: readonly ManifestArgument[],
  options: JoinOptions,
): Promise<Joined> {
  const target = formatReference(reference);
  const { expect = [], onEvent } = options;
  if (expect.length > 0 && options.group === undefined) throw withoutGroup(target);
  options.homes.registries.expect([{ reference, push: true }]);
  const resolved = await resolveAll(manifests, options);
  const entries = resolved.flatMap((source) => source.entries);
  const draft: Draft = { ...emptyDraft(target, 'oci'), entries };
  const own = ownSlots(entries, {
    target,
    expect,
    onLeft: ({ digest }) =>
      onEvent?.({ type: 'left', what: 'attestation', digest, reason: 'its image is not among those that join' }),
  });
  const sources = own.flatMap((slot) => slot.sources);
  requireValid({ ...draft, entries: sources });
  const work = new Work(reference, own, options);
  await work.pushChildren(false);
  return work.run();
}

/** One join on its way. */
class Work {
  readonly #reference: Reference & { readonly tag: string };
  readonly #target: string;
  readonly #own: readonly OwnSlot[];
  readonly #options: JoinOptions;
  readonly #runner: Runner;
  readonly #board: Board;
  #memory: Memory = atFirst;

  constructor(reference: Reference & { readonly tag: string }, own: readonly OwnSlot[], options: JoinOptions) {
    this.#reference = reference;
    this.#target = formatReference(reference);
    this.#own = own;
    this.#options = options;
    const { group = { id: DEFAULT_GROUP }, homes, signal, onEvent } = options;
    const platforms = [...new Set((options.expect ?? []).map(fullPlatform))];
    const expect = platforms.length === 0 ? undefined : platforms;
    this.#runner = { target: this.#target, group, began: Date.now(), expect, own };
    const strange = new Set<string>();
    this.#board = new Board(reference, {
      homes,
      signal,
      names: expect?.map((platform) => slotName(reference.tag, platform)),
      own: own.map(({ name }) => name),
      onStrange: (name, reason) => {
        if (!strange.has(name)) onEvent?.({ type: 'warning', message: `${name} does not count: ${reason}` });
        strange.add(name);
      },
    });
  }

  /** The children that the repository lacks. @param resend - also those that should be there: it has lost some */
  async pushChildren(resend: boolean): Promise<void> {
    const { homes, signal, onEvent } = this.#options;
    const location = { kind: 'registry', reference: this.#reference, explicit: true } as const;
    const draft: Draft = { ...emptyDraft(this.#target, 'oci'), entries: this.#own.flatMap(({ sources }) => sources) };
    const target = { location, key: repositoryName(this.#reference), tags: [] };
    const home = homes.registries.repository(this.#reference);
    const what = { draft, encoded: encodeDraft(draft), target, home };
    const { plan } = await planPush(what, { homes, signal, force: resend });
    await runPlan(plan, { signal, onEvent });
  }

  async run(): Promise<Joined> {
    const { waitMs = 0 } = this.#options;
    const end = Date.now() + waitMs;
    let poll = Math.min(SETTLE_MS, this.#settleMs);
    for (let rounds = 0; ;) {
      const look = await this.#look();
      const { decision, memory } = decide(this.#runner, this.#memory, look);
      this.#memory = memory;
      if (decision.do === 'end') return this.#joined({ complete: true, list: decision.list });
      if (decision.do === 'leave') return this.#left(decision);
      if (decision.do === 'wait') {
        const left = end - Date.now();
        if (waitMs === 0 && decision.isSettled) return this.#joined({ waiting: decision.waiting });
        if (waitMs > 0 && left <= 0) throw waitedInVain(this.#target, decision.waiting);
        await this.#pause(waitMs === 0 ? this.#settleMs : Math.min(left, poll * (0.75 + Math.random() / 2)));
        poll = Math.min(poll * 1.3, LONGEST_POLL_MS);
        continue;
      }
      rounds += 1;
      if (rounds > MAX_ROUNDS) throw restless(this.#target);
      await this.#act(decision, look);
    }
  }

  get #settleMs(): number {
    return this.#options.settleMs ?? SETTLE_MS;
  }

  /** Reads all, again where the registry has a fault or its list of tags is behind. */
  async #look(): Promise<Look> {
    for (let failures = 1; ; failures += 1) {
      try {
        const look = await this.#board.look();
        const unlisted = this.#board.unlisted(look, this.#memory.written);
        if (unlisted.length === 0) return look;
        if (failures >= MAX_FAILURES) throw withoutTags(this.#target, unlisted);
      } catch (thrown) {
        this.#options.signal?.throwIfAborted();
        if (failures >= MAX_FAILURES || !isPassing(asMlistError(thrown))) throw thrown;
      }
      await this.#pause(failures * this.#settleMs * Math.random());
    }
  }

  async #act(decision: Extract<Decision, { do: 'put-slots' | 'put-list' | 'look-again' }>, look: Look): Promise<void> {
    switch (decision.do) {
      case 'look-again':
        return this.#pause(this.#settleMs);
      case 'put-slots':
        await Promise.all(
          decision.writes.map(async ({ name, content, condition }) => {
            const put = () => this.#board.put(content, name, condition);
            this.#wrote(name, condition, await put().catch((thrown: unknown) => this.#repaired(thrown, put)));
          }),
        );
        return;
      case 'put-list': {
        const { list, condition } = decision;
        requireBetter(list, look);
        const { mediaType, digest, bytes } = list;
        const content = { descriptor: { mediaType, digest, size: bytes.length }, bytes };
        const outcome = await this.#board.put(content, this.#reference.tag, condition);
        this.#wrote(LIST, condition, outcome);
        const { tag: name } = this.#reference;
        const event = { type: 'tagged', digest, name, target: repositoryName(this.#reference) } as const;
        if (outcome === 'done') this.#options.onEvent?.(event);
        else await this.#pause(Math.random() * Math.min(this.#settleMs, 250));
      }
    }
  }

  #wrote(name: string, condition: Parameters<typeof afterWrite>[2], outcome: Outcome): void {
    this.#memory = afterWrite(this.#memory, name, condition, outcome);
  }

  /** A registry may have cleaned up children that it had. */
  async #repaired(thrown: unknown, put: () => Promise<Outcome>): Promise<Outcome> {
    if (!isLostContent(thrown)) throw thrown;
    this.#options.onEvent?.({ type: 'note', message: `${this.#target} has lost images: they are sent again` });
    await this.pushChildren(true);
    return put();
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

  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#options;
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
    signal?.throwIfAborted();
  }
}

/** @throws MlistError `ERR_MLIST_LIST_INVALID` */
function requireValid(draft: Draft): void {
  const problems = checkDraft(draft);
  if (hasErrors(problems)) throw refusal(`what is to join ${draft.list}`, problems, 'ERR_MLIST_LIST_INVALID');
}

/** What was wrong with the tag before is left to its owner; no runner makes it worse. */
function requireBetter({ draft }: JoinedList, { base }: Look): void {
  const before = base === undefined ? [] : checkDraft(base.draft);
  if (!hasErrors(before)) requireValid(draft);
}

function withoutGroup(target: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `--expect needs to know which build this runner of ${target} is part of`, {
    hint: 'Name it with --group: any text that all runners of one build share and no other build has.',
  });
}

function waitedInVain(target: string, waiting: readonly string[]): MlistError {
  return new MlistError('ERR_MLIST_CONFLICT', `${target} still waits for ${waiting.join(', ')}`, {
    reference: target,
    hint: 'Its slots stay: when the missing runners have joined, the last of them completes the list.',
  });
}

function restless(target: string): MlistError {
  return new MlistError('ERR_MLIST_CONFLICT', `${target} does not come to rest: others write it again and again`, {
    reference: target,
    hint: 'Run the same command again. Does something else than "mlist join" push this tag?',
  });
}

function withoutTags(target: string, unlisted: readonly string[]): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `the list of tags beside ${target} lacks ${unlisted.join(', ')}`, {
    reference: target,
    hint: 'Without --expect the other runners are found by the list of tags. With --expect it is not needed.',
  });
}

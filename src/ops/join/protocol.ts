import { MlistError } from '../../errors.ts';
import type { Content } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { sameJson } from '../../oci/json.ts';
import { compareGroups, type Group, type Standing } from './group.ts';
import { expectedList, joinedList, type JoinedList, type Tagged } from './list.ts';
import { encodeSlot, slotName, tagOf, type StoredSlot } from './slot.ts';

/**
 * What a runner does next, from what it saw last: the whole of the protocol, pure, so that a test can try every order in
 * which several runners read and write (test/ops/join-model.test.ts). Why it is safe: docs/join.md.
 */

/** What one runner brings for one platform. */
export interface Own {
  readonly name: string;
  readonly platform: string;
  readonly entries: readonly Descriptor[];
}

export interface Runner {
  /** Canonical reference of the tag. */
  readonly target: string;
  readonly group: Group;
  /** When this runner began; milliseconds since 1970. */
  readonly began: number;
  readonly expect?: readonly string[] | undefined;
  readonly own: readonly Own[];
}

/** What was read of the registry: each tag at its own moment, none before the look began. */
export interface Look {
  /** In the order of their names. */
  readonly slots: readonly StoredSlot[];
  /** What lies under a slot's tag and is no slot, by tag. */
  readonly strange: ReadonlyMap<string, Digest>;
  readonly base: Tagged | undefined;
}

/** What a runner remembers from look to look. */
export interface Memory {
  /** Tags of slots that are known to have had what this runner brings. */
  readonly written: readonly string[];
  /** It has sent a list: what another has written since may be lost, and this runner has to mend it. */
  readonly hasPut: boolean;
  /** Looks in a row that found nothing to do. */
  readonly clean: number;
  /** The last write that the registry refused since something else was there, as it said. */
  readonly refused?: { readonly name: string; readonly condition: Condition } | undefined;
}

export const atFirst: Memory = { written: [], hasPut: false, clean: 0 };

/** What a tag must have for a write to happen, where the registry can tell. */
export type Condition = Digest | 'absent' | undefined;

export interface SlotWrite {
  readonly name: string;
  readonly content: Content;
  readonly condition: Condition;
}

export type Decision =
  | { readonly do: 'put-slots'; readonly writes: readonly SlotWrite[] }
  | { readonly do: 'put-list'; readonly list: JoinedList; readonly condition: Condition }
  /** Nothing to do, but one look may deceive. */
  | { readonly do: 'look-again' }
  /** Settled: another look would hardly say otherwise, and who does not want to wait may go. */
  | { readonly do: 'wait'; readonly waiting: readonly string[]; readonly isSettled: boolean }
  | { readonly do: 'end'; readonly list: JoinedList }
  /** A newer build has taken over. */
  | { readonly do: 'leave'; readonly by: Group };

/**
 * Looks in a row that must say the same before a runner goes while others may be at work: with a pause between them, so
 * that it sees what somebody wrote who had looked before it.
 */
const CLEAN_LOOKS = 2;

/**
 * @throws MlistError `ERR_MLIST_CONFLICT` where runners of one build contradict each other
 */
export function decide(runner: Runner, memory: Memory, look: Look): { decision: Decision; memory: Memory } {
  const mine = standingOf(runner.group, look, runner.began);
  const newest = newestIn(look, mine);
  const slots = slotsOf(newest, look);
  if (newest.id !== runner.group.id) return leave(runner, memory, look, newest);
  for (const slot of slots) requireSameOptions(runner, slot);
  const missing = runner.own.filter((own) => isToBeWritten(own, runner, memory, look));
  const there = runner.own.filter((own) => sameJson(slotNamed(own.name, look)?.entries, own.entries));
  const written = [...new Set([...memory.written, ...there.map(({ name }) => name)])];
  const next: Memory = { ...memory, written, clean: 0 };
  if (missing.length > 0) {
    const writes = missing.map((own) => writeOf(own, runner, next, look, mine));
    return { decision: { do: 'put-slots', writes }, memory: next };
  }
  const clean = memory.clean + 1;
  const rested = { ...next, clean };
  const isSettled = clean >= CLEAN_LOOKS;
  const waiting = missingOf(runner.expect ?? [], slots, runner.target);
  if (waiting.length > 0) return { decision: { do: 'wait', waiting, isSettled }, memory: rested };
  const list = listOf(runner.target, slots, look);
  if (list === undefined || list.digest !== look.base?.digest) return putList(list, next, look, runner);
  const decision: Decision = isSettled ? { do: 'end', list } : { do: 'look-again' };
  return { decision, memory: rested };
}

/** What the runner remembers of a write. */
export function afterWrite(
  memory: Memory,
  name: string,
  condition: Condition,
  outcome: 'done' | 'unclear' | 'refused',
): Memory {
  const { written, hasPut, clean } = memory;
  const isSlot = outcome === 'done' && name !== LIST;
  return {
    written: isSlot ? [...new Set([...written, name])] : written,
    hasPut,
    clean,
    ...(outcome === 'refused' ? { refused: { name, condition } } : {}),
  };
}

/** The name of the tag itself among those that are written; no tag can be called so. */
export const LIST = ':';

/**
 * A runner of an older build has nothing to add. Only if it has sent a list, which may have taken the place of the newer
 * build's, it puts that one back.
 */
function leave(runner: Runner, memory: Memory, look: Look, newest: Standing) {
  const list = memory.hasPut ? listOf(runner.target, slotsOf(newest, look), look) : undefined;
  if (list !== undefined && list.digest !== look.base?.digest) return putList(list, memory, look, runner);
  const { id, number, attempt } = newest;
  const decision: Decision = { do: 'leave', by: { id, number, attempt } };
  return { decision, memory };
}

function putList(list: JoinedList | undefined, memory: Memory, look: Look, { target }: Runner) {
  if (list === undefined) throw new MlistError('ERR_MLIST_UNEXPECTED', `${target} has nothing to list`);
  const condition = conditionFor(LIST, look.base?.digest ?? 'absent', memory);
  const decision: Decision = { do: 'put-list', list, condition };
  return { decision, memory: { ...memory, hasPut: true, clean: 0 } };
}

/** A registry that refuses a write although the tag still has what was asked for does not understand the condition. */
function conditionFor(name: string, condition: Condition, { refused }: Memory): Condition {
  return refused?.name === name && refused.condition === condition ? undefined : condition;
}

/** The list that a build's slots stand for; undefined where it is not to be there yet. */
function listOf(target: string, slots: readonly StoredSlot[], look: Look): JoinedList | undefined {
  const expect = slots[0]?.expect;
  if (expect === undefined) return joinedList(target, look.base, slots);
  const isOne = slots.every((slot) => sameJson(slot.expect, expect));
  if (!isOne || missingOf(expect, slots, target).length > 0) return undefined;
  const order = expect.map((platform) => slotName(tagOf(target), platform));
  return expectedList(
    target,
    order.flatMap((name) => slots.filter((slot) => slot.name === name)),
  );
}

function missingOf(expect: readonly string[], slots: readonly StoredSlot[], target: string): readonly string[] {
  const there = new Set(slots.map(({ name }) => name));
  return expect.filter((platform) => !there.has(slotName(tagOf(target), platform)));
}

function slotNamed(name: string, { slots }: Look): StoredSlot | undefined {
  return slots.find((slot) => slot.name === name);
}

function slotsOf({ id }: Group, { slots }: Look): readonly StoredSlot[] {
  return slots.filter(({ group }) => group.id === id);
}

/** A group began when the first of its runners did, as far as slots tell. */
function standingOf(group: Group, look: Look, began = Number.POSITIVE_INFINITY): Standing {
  return { ...group, began: Math.min(began, ...slotsOf(group, look).map((slot) => slot.began)) };
}

function newestIn(look: Look, mine: Standing): Standing {
  const others = look.slots.filter(({ group }) => group.id !== mine.id);
  return others
    .map(({ group }) => standingOf(group, look))
    .reduce((newest, other) => (compareGroups(other, newest) > 0 ? other : newest), mine);
}

/** Only called where the runner's group is the newest: what is of another group gives way. */
function isToBeWritten(own: Own, { group, target }: Runner, { written }: Memory, look: Look): boolean {
  const there = slotNamed(own.name, look);
  if (there?.group.id !== group.id) return true;
  const [theirs, ours] = [there.group.attempt ?? 0, group.attempt ?? 0];
  if (theirs > ours || sameJson(there.entries, own.entries)) return false;
  if (theirs < ours || !written.includes(own.name)) return true;
  throw new MlistError(
    'ERR_MLIST_CONFLICT',
    `two runners of the build ${group.id} join ${own.platform} to ${target}, with different images`,
    { reference: target, hint: 'Each platform is for one runner. Builds are told apart by --group.' },
  );
}

function writeOf(own: Own, runner: Runner, memory: Memory, look: Look, { began }: Standing): SlotWrite {
  const { target, group, expect } = runner;
  const before = slotNamed(own.name, look)?.digest ?? look.strange.get(own.name) ?? 'absent';
  const content = encodeSlot({ target, group, began, expect, platform: own.platform, entries: own.entries });
  return { name: own.name, content, condition: conditionFor(own.name, before, memory) };
}

function requireSameOptions({ target, group, expect }: Runner, slot: StoredSlot): void {
  if (sameJson(slot.expect, expect)) return;
  const said = (platforms: readonly string[] | undefined) => platforms?.join(',') ?? 'nothing';
  throw new MlistError(
    'ERR_MLIST_CONFLICT',
    `the runners of the build ${group.id} expect different lists under ${target}: ` +
      `${said(slot.expect)} (for ${slot.platform}), and ${said(expect)}`,
    {
      reference: target,
      hint: 'Give all of them the same --expect in the same order, and each build its own --group; "mlist join --prune" forgets old slots.',
    },
  );
}

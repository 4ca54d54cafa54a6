import { MlistError } from '../../errors/errors.ts';
import type { ManifestContent } from '../../store/store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { sameJson } from '../../json/json.ts';
import { compareGroups, type Group, type GroupAge } from './group.ts';
import { expectedList, joinedList, type JoinedList, type Tagged } from './joined-list.ts';
import { LIST, type AcceptedWrite, type Condition, type Memory, type Shown, type Write } from './protocol-memory.ts';
import { encodeSlot, slotName, tagOf, type StoredSlot } from './slot.ts';

/**
 * What a runner does next, from what it saw last: the whole of the protocol, pure, so that a test can try every order in
 * which several runners read and write (test/operations/join/join-model.long.test.ts). Why it is safe: docs/join.md.
 */

/** What one runner brings for one platform. */
export interface Own {
  readonly name: string;
  readonly platform: string;
  readonly entries: readonly Descriptor[];
}

export interface Participant {
  /** Canonical reference of the tag. */
  readonly target: string;
  readonly group: Group;
  /** When this runner began; milliseconds since 1970. */
  readonly began: number;
  readonly expect?: readonly string[] | undefined;
  readonly own: readonly Own[];
  /** Further attempts at a write that failed (`--retries`). */
  readonly retries: number;
}

/** What was read of the registry: each tag at its own moment, none before the look began. */
export interface Snapshot {
  /** In the order of their names. */
  readonly slots: readonly StoredSlot[];
  /** What lies under a slot's tag and is no slot, by tag. */
  readonly strange: ReadonlyMap<string, Digest>;
  readonly base: Tagged | undefined;
}

export interface SlotWrite extends Write {
  readonly content: ManifestContent;
}

export type Decision =
  | { readonly do: 'put-slots'; readonly writes: readonly SlotWrite[] }
  | { readonly do: 'put-list'; readonly list: JoinedList; readonly write: Write }
  /** The registry accepted a write of this tag, but still shows what the tag had before. */
  | { readonly do: 'await-shown'; readonly name: string; readonly written: Digest; readonly shown: Shown }
  /** The writes of these tags have failed too often. */
  | { readonly do: 'give-up'; readonly names: readonly string[] }
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
export function decide(runner: Participant, before: Memory, look: Snapshot): { decision: Decision; memory: Memory } {
  const memory = { ...before, accepted: notShown(before, look) };
  const mine = standingOf(runner.group, look, runner.began);
  const newest = newestIn(look, mine);
  const slots = slotsOf(newest, look);
  if (newest.id !== runner.group.id) return leave(runner, memory, look, newest);
  for (const slot of slots) requireSameOptions(runner, slot);
  const behind = memory.accepted.find(({ name }) => runner.own.some((own) => own.name === name));
  const missing = runner.own.filter((own) => !isAccepted(own.name, memory) && isToBeWritten(own, runner, memory, look));
  const there = runner.own.filter((own) => sameJson(slotNamed(own.name, look)?.entries, own.entries));
  const written = [...new Set([...memory.written, ...there.map(({ name }) => name)])];
  const next: Memory = { ...memory, written, clean: 0 };
  if (missing.length > 0) {
    const writes = missing.map((own) => writeOf(own, runner, next, look, mine));
    // Whoever took a slot may also have written the tag since. Then it is not the registry that is behind.
    const accepted = next.accepted.filter(({ name }) => name !== LIST);
    return attempt({ do: 'put-slots', writes }, writes, { ...next, accepted }, runner);
  }
  if (behind !== undefined) return awaitShown(behind, next, look);
  const clean = memory.clean + 1;
  const rested = { ...next, clean, failures: {} };
  const isSettled = clean >= CLEAN_LOOKS;
  const waiting = missingOf(runner.expect ?? [], slots, runner.target);
  if (waiting.length > 0) return { decision: { do: 'wait', waiting, isSettled }, memory: rested };
  const list = listOf(runner.target, slots, look);
  if (list === undefined || list.digest !== look.base?.digest) return putList(list, next, look, runner);
  const decision: Decision = isSettled ? { do: 'end', list } : { do: 'look-again' };
  return { decision, memory: rested };
}

/**
 * A runner of an older build has nothing to add. Only if it has sent a list, which may have taken the place of the newer
 * build's, it puts that one back.
 */
function leave(runner: Participant, memory: Memory, look: Snapshot, newest: GroupAge) {
  const list = memory.hasPut ? listOf(runner.target, slotsOf(newest, look), look) : undefined;
  if (list !== undefined && list.digest !== look.base?.digest) return putList(list, memory, look, runner);
  const { id, number, attempt } = newest;
  const decision: Decision = { do: 'leave', by: { id, number, attempt } };
  return { decision, memory };
}

/** The same list is not written again while the registry still shows what the tag had before. */
function putList(list: JoinedList | undefined, memory: Memory, look: Snapshot, runner: Participant) {
  if (list === undefined) throw new MlistError('ERR_MLIST_UNEXPECTED', `${runner.target} has nothing to list`);
  const { digest } = list;
  const behind = memory.accepted.find((write) => write.name === LIST && write.digest === digest);
  if (behind !== undefined) return awaitShown(behind, memory, look);
  const shown = shownAt(LIST, look);
  const write = { name: LIST, digest, shown, condition: conditionFor(LIST, shown, memory) };
  return attempt({ do: 'put-list', list, write }, [write], { ...memory, hasPut: true, clean: 0 }, runner);
}

/** Does these writes, unless one of them has failed too often. Failures of other writes no longer matter. */
function attempt(decision: Decision, writes: readonly Write[], memory: Memory, { retries }: Participant) {
  const failures = Object.entries(memory.failures).filter(([name]) => writes.some((write) => write.name === name));
  const names = failures.flatMap(([name, times]) => (times > retries ? [name] : []));
  const next: Decision = names.length > 0 ? { do: 'give-up', names } : decision;
  return { decision: next, memory: { ...memory, failures: Object.fromEntries(failures) } };
}

function awaitShown({ name, digest }: AcceptedWrite, memory: Memory, look: Snapshot) {
  const decision: Decision = { do: 'await-shown', name, written: digest, shown: shownAt(name, look) };
  return { decision, memory: { ...memory, clean: 0, failures: {} } };
}

/** Of the accepted writes those that the registry does not show: the tag still has what it had before. */
function notShown({ accepted }: Memory, look: Snapshot): readonly AcceptedWrite[] {
  return accepted.filter(({ name, digest, before }) => {
    const shown = shownAt(name, look);
    return shown !== digest && before.includes(shown);
  });
}

function isAccepted(name: string, { accepted }: Memory): boolean {
  return accepted.some((write) => write.name === name);
}

function shownAt(name: string, look: Snapshot): Shown {
  if (name === LIST) return look.base?.digest ?? 'absent';
  return slotNamed(name, look)?.digest ?? look.strange.get(name) ?? 'absent';
}

/** A registry that refuses a write although the tag still has what was asked for does not understand the condition. */
function conditionFor(name: string, condition: Condition, { refused }: Memory): Condition {
  return refused?.name === name && refused.condition === condition ? undefined : condition;
}

/** The list that a build's slots stand for; undefined where it is not to be there yet. */
function listOf(target: string, slots: readonly StoredSlot[], look: Snapshot): JoinedList | undefined {
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

function slotNamed(name: string, { slots }: Snapshot): StoredSlot | undefined {
  return slots.find((slot) => slot.name === name);
}

function slotsOf({ id }: Group, { slots }: Snapshot): readonly StoredSlot[] {
  return slots.filter(({ group }) => group.id === id);
}

/** A group began when the first of its runners did, as far as slots tell. */
function standingOf(group: Group, look: Snapshot, began = Number.POSITIVE_INFINITY): GroupAge {
  return { ...group, began: Math.min(began, ...slotsOf(group, look).map((slot) => slot.began)) };
}

function newestIn(look: Snapshot, mine: GroupAge): GroupAge {
  const others = look.slots.filter(({ group }) => group.id !== mine.id);
  return others
    .map(({ group }) => standingOf(group, look))
    .reduce((newest, other) => (compareGroups(other, newest) > 0 ? other : newest), mine);
}

/** Only called where the runner's group is the newest: what is of another group gives way. */
function isToBeWritten(own: Own, { group, target }: Participant, { written }: Memory, look: Snapshot): boolean {
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

function writeOf(own: Own, runner: Participant, memory: Memory, look: Snapshot, { began }: GroupAge): SlotWrite {
  const { target, group, expect } = runner;
  const { name, platform, entries } = own;
  const content = encodeSlot({ target, group, began, expect, platform, entries });
  const shown = shownAt(name, look);
  return { name, digest: content.descriptor.digest, shown, content, condition: conditionFor(name, shown, memory) };
}

function requireSameOptions({ target, group, expect }: Participant, slot: StoredSlot): void {
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

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
 * The join protocol: decides what a participant does next, from its last snapshot. A participant is one run of
 * `mlist join`. The protocol is pure, so that a test can try every order in which several participants read and write
 * (test/operations/join/join-model.long.test.ts). docs/join.md explains why it is safe.
 */

/** The images of this participant for one platform. */
export interface OwnImages {
  readonly name: string;
  readonly platform: string;
  readonly entries: readonly Descriptor[];
}

export interface Participant {
  /** Canonical reference of the tag. */
  readonly target: string;
  readonly group: Group;
  /** When this participant started, in milliseconds since 1970. */
  readonly began: number;
  readonly expect?: readonly string[] | undefined;
  readonly own: readonly OwnImages[];
  /** Maximum number of retries of a failed write (`--retries`). */
  readonly retries: number;
}

/**
 * The slots and the tag as read from the registry. The tags were read one after another, all after the snapshot was
 * started.
 */
export interface Snapshot {
  /** The slots, sorted by name. */
  readonly slots: readonly StoredSlot[];
  /** Content under the tag of a slot that is not a slot, by tag. */
  readonly nonSlots: ReadonlyMap<string, Digest>;
  readonly base: Tagged | undefined;
}

export interface SlotWrite extends Write {
  readonly content: ManifestContent;
}

export type Decision =
  | { readonly do: 'put-slots'; readonly writes: readonly SlotWrite[] }
  | { readonly do: 'put-list'; readonly list: JoinedList; readonly write: Write }
  /** The registry accepted a write of this tag, but still shows the previous content of the tag. */
  | { readonly do: 'await-shown'; readonly name: string; readonly written: Digest; readonly shown: Shown }
  /** The writes of these tags have failed too often. */
  | { readonly do: 'give-up'; readonly names: readonly string[] }
  /** Nothing to do, but another snapshot has to confirm it. */
  | { readonly do: 'read-again' }
  /** Platforms are missing. If the snapshot is settled, a participant that does not wait for them may end. */
  | { readonly do: 'wait'; readonly waiting: readonly string[]; readonly isSettled: boolean }
  | { readonly do: 'end'; readonly list: JoinedList }
  /** A newer build has replaced this one. */
  | { readonly do: 'leave'; readonly by: Group };

/**
 * Consecutive snapshots with nothing to do before a participant ends. There is a pause between them, so that the second
 * one shows the writes that others have decided from earlier snapshots.
 */
const CLEAN_SNAPSHOTS = 2;

/**
 * Decides what the participant does next.
 * @throws MlistError `ERR_MLIST_CONFLICT` if participants of one build contradict each other
 */
export function decide(
  participant: Participant,
  before: Memory,
  snapshot: Snapshot,
): { decision: Decision; memory: Memory } {
  const memory = { ...before, accepted: notShown(before, snapshot) };
  const ownGroup = ageOf(participant.group, snapshot, participant.began);
  const newest = newestIn(snapshot, ownGroup);
  const slots = slotsOf(newest, snapshot);
  if (newest.id !== participant.group.id) return leave(participant, memory, snapshot, newest);
  for (const slot of slots) requireSameOptions(participant, slot);
  const behind = memory.accepted.find(({ name }) => participant.own.some((own) => own.name === name));
  const missing = participant.own.filter(
    (own) => !isAccepted(own.name, memory) && isToBeWritten(own, participant, memory, snapshot),
  );
  const upToDate = participant.own.filter((own) => sameJson(slotNamed(own.name, snapshot)?.entries, own.entries));
  const written = [...new Set([...memory.written, ...upToDate.map(({ name }) => name)])];
  const next: Memory = { ...memory, written, clean: 0 };
  if (missing.length > 0) {
    const writes = missing.map((own) => writeOf(own, participant, next, snapshot, ownGroup));
    // Another participant has overwritten a slot and may have written the tag, too. If so, the registry is not behind,
    // so the accepted write of the tag is forgotten.
    const accepted = next.accepted.filter(({ name }) => name !== LIST);
    return attempt({ do: 'put-slots', writes }, writes, { ...next, accepted }, participant);
  }
  if (behind !== undefined) return awaitShown(behind, next, snapshot);
  const clean = memory.clean + 1;
  const idle = { ...next, clean, failures: {} };
  const isSettled = clean >= CLEAN_SNAPSHOTS;
  const waiting = missingOf(participant.expect ?? [], slots, participant.target);
  if (waiting.length > 0) return { decision: { do: 'wait', waiting, isSettled }, memory: idle };
  const list = listOf(participant.target, slots, snapshot);
  if (list === undefined || list.digest !== snapshot.base?.digest) return putList(list, next, snapshot, participant);
  const decision: Decision = isSettled ? { do: 'end', list } : { do: 'read-again' };
  return { decision, memory: idle };
}

/**
 * A participant of an older build has nothing to add. If it has sent a list, which may have replaced that of the newer
 * build, it restores the latter.
 */
function leave(participant: Participant, memory: Memory, snapshot: Snapshot, newest: GroupAge) {
  const list = memory.hasPut ? listOf(participant.target, slotsOf(newest, snapshot), snapshot) : undefined;
  if (list !== undefined && list.digest !== snapshot.base?.digest) return putList(list, memory, snapshot, participant);
  const { id, number, attempt } = newest;
  const decision: Decision = { do: 'leave', by: { id, number, attempt } };
  return { decision, memory };
}

/**
 * Decides to write the list. While the registry still shows the previous content of the tag, the same list is not
 * written again.
 */
function putList(list: JoinedList | undefined, memory: Memory, snapshot: Snapshot, participant: Participant) {
  if (list === undefined) throw new MlistError('ERR_MLIST_UNEXPECTED', `${participant.target} has nothing to list`);
  const { digest } = list;
  const behind = memory.accepted.find((write) => write.name === LIST && write.digest === digest);
  if (behind !== undefined) return awaitShown(behind, memory, snapshot);
  const shown = shownAt(LIST, snapshot);
  const write = { name: LIST, digest, shown, condition: conditionFor(LIST, shown, memory) };
  return attempt({ do: 'put-list', list, write }, [write], { ...memory, hasPut: true, clean: 0 }, participant);
}

/** Decides to do these writes, unless one of them has failed too often. Failures of other writes are forgotten. */
function attempt(decision: Decision, writes: readonly Write[], memory: Memory, { retries }: Participant) {
  const failures = Object.entries(memory.failures).filter(([name]) => writes.some((write) => write.name === name));
  const names = failures.flatMap(([name, times]) => (times > retries ? [name] : []));
  const next: Decision = names.length > 0 ? { do: 'give-up', names } : decision;
  return { decision: next, memory: { ...memory, failures: Object.fromEntries(failures) } };
}

function awaitShown({ name, digest }: AcceptedWrite, memory: Memory, snapshot: Snapshot) {
  const decision: Decision = { do: 'await-shown', name, written: digest, shown: shownAt(name, snapshot) };
  return { decision, memory: { ...memory, clean: 0, failures: {} } };
}

/** The accepted writes that the registry does not show yet: the tag still has its previous content. */
function notShown({ accepted }: Memory, snapshot: Snapshot): readonly AcceptedWrite[] {
  return accepted.filter(({ name, digest, before }) => {
    const shown = shownAt(name, snapshot);
    return shown !== digest && before.includes(shown);
  });
}

function isAccepted(name: string, { accepted }: Memory): boolean {
  return accepted.some((write) => write.name === name);
}

function shownAt(name: string, snapshot: Snapshot): Shown {
  if (name === LIST) return snapshot.base?.digest ?? 'absent';
  return slotNamed(name, snapshot)?.digest ?? snapshot.nonSlots.get(name) ?? 'absent';
}

/** If a registry refuses a write although the condition holds, it does not support it: the condition is dropped. */
function conditionFor(name: string, condition: Condition, { refused }: Memory): Condition {
  return refused?.name === name && refused.condition === condition ? undefined : condition;
}

/** The list of a build's slots; undefined if it is not complete yet. */
function listOf(target: string, slots: readonly StoredSlot[], snapshot: Snapshot): JoinedList | undefined {
  const expect = slots[0]?.expect;
  if (expect === undefined) return joinedList(target, snapshot.base, slots);
  const isOne = slots.every((slot) => sameJson(slot.expect, expect));
  if (!isOne || missingOf(expect, slots, target).length > 0) return undefined;
  const order = expect.map((platform) => slotName(tagOf(target), platform));
  return expectedList(
    target,
    order.flatMap((name) => slots.filter((slot) => slot.name === name)),
  );
}

function missingOf(expect: readonly string[], slots: readonly StoredSlot[], target: string): readonly string[] {
  const names = new Set(slots.map(({ name }) => name));
  return expect.filter((platform) => !names.has(slotName(tagOf(target), platform)));
}

function slotNamed(name: string, { slots }: Snapshot): StoredSlot | undefined {
  return slots.find((slot) => slot.name === name);
}

function slotsOf({ id }: Group, { slots }: Snapshot): readonly StoredSlot[] {
  return slots.filter(({ group }) => group.id === id);
}

/** The age of a group, which started with the first of its participants, according to their slots. */
function ageOf(group: Group, snapshot: Snapshot, began = Number.POSITIVE_INFINITY): GroupAge {
  return { ...group, began: Math.min(began, ...slotsOf(group, snapshot).map((slot) => slot.began)) };
}

function newestIn(snapshot: Snapshot, ownGroup: GroupAge): GroupAge {
  const others = snapshot.slots.filter(({ group }) => group.id !== ownGroup.id);
  return others
    .map(({ group }) => ageOf(group, snapshot))
    .reduce((newest, other) => (compareGroups(other, newest) > 0 ? other : newest), ownGroup);
}

/**
 * Whether an own slot has to be written. The participant's group is the newest, so slots of other groups are replaced.
 */
function isToBeWritten(
  own: OwnImages,
  { group, target }: Participant,
  { written }: Memory,
  snapshot: Snapshot,
): boolean {
  const stored = slotNamed(own.name, snapshot);
  if (stored?.group.id !== group.id) return true;
  const [theirs, ours] = [stored.group.attempt ?? 0, group.attempt ?? 0];
  if (theirs > ours || sameJson(stored.entries, own.entries)) return false;
  if (theirs < ours || !written.includes(own.name)) return true;
  throw new MlistError(
    'ERR_MLIST_CONFLICT',
    `two runners of the build ${group.id} add different images for ${own.platform} to ${target}`,
    { reference: target, hint: 'Build each platform on one runner only. Use --group to distinguish builds.' },
  );
}

function writeOf(
  own: OwnImages,
  participant: Participant,
  memory: Memory,
  snapshot: Snapshot,
  { began }: GroupAge,
): SlotWrite {
  const { target, group, expect } = participant;
  const { name, platform, entries } = own;
  const content = encodeSlot({ target, group, began, expect, platform, entries });
  const shown = shownAt(name, snapshot);
  return { name, digest: content.descriptor.digest, shown, content, condition: conditionFor(name, shown, memory) };
}

function requireSameOptions({ target, group, expect }: Participant, slot: StoredSlot): void {
  if (sameJson(slot.expect, expect)) return;
  const textOf = (platforms: readonly string[] | undefined) => platforms?.join(',') ?? 'nothing';
  throw new MlistError(
    'ERR_MLIST_CONFLICT',
    `the runners of the build ${group.id} expect different lists under ${target}: ` +
      `${textOf(slot.expect)} (for ${slot.platform}), and ${textOf(expect)}`,
    {
      reference: target,
      hint: 'Give all of them the same --expect in the same order, and each build its own --group; "mlist join --prune" deletes old slots.',
    },
  );
}

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
 * This file implements the join protocol: it decides what a participant, which is one run of `mlist join`, does next
 * after a snapshot. All functions are pure, so that a test can try every order in which several participants read and
 * write (test/operations/join/join-model.long.test.ts). docs/join.md explains why the protocol is safe.
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
  /** The time when this participant started, in milliseconds since the Unix epoch. */
  readonly began: number;
  readonly expect?: readonly string[] | undefined;
  readonly own: readonly OwnImages[];
  /** Maximum number of times that a failed write is repeated (`--retries`). */
  readonly retries: number;
}

/**
 * The slots and the joined tag, as read from the registry. They are not read atomically, but each of them is read after
 * the snapshot was started.
 */
export interface Snapshot {
  /** The slots, sorted by name. */
  readonly slots: readonly StoredSlot[];
  /** Tags that have the name of a slot but refer to other content, with the digest of that content. */
  readonly nonSlots: ReadonlyMap<string, Digest>;
  readonly base: Tagged | undefined;
}

export interface SlotWrite extends Write {
  readonly content: ManifestContent;
}

export type Decision =
  | { readonly do: 'put-slots'; readonly writes: readonly SlotWrite[] }
  | { readonly do: 'put-list'; readonly list: JoinedList; readonly write: Write }
  /** The registry has accepted a write to this tag, but still returns the previous content. */
  | { readonly do: 'await-shown'; readonly name: string; readonly written: Digest; readonly shown: Shown }
  /** The writes to these tags have failed too often. */
  | { readonly do: 'give-up'; readonly names: readonly string[] }
  /** Nothing to do, but another snapshot has to confirm it. */
  | { readonly do: 'read-again' }
  /** Platforms are missing. If `isSettled`, a participant that does not wait for them may end. */
  | { readonly do: 'wait'; readonly waiting: readonly string[]; readonly isSettled: boolean }
  | { readonly do: 'end'; readonly list: JoinedList }
  /** A newer build has superseded this one. */
  | { readonly do: 'leave'; readonly by: Group };

/**
 * Number of consecutive snapshots with nothing to do after which a participant ends. It pauses between them, so that
 * the second one contains the writes that other participants have decided on after earlier snapshots.
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
    // If another participant has overwritten a slot, it may have written the tag, too. Earlier content of the tag then
    // does not mean that the registry is outdated, so the accepted write to the tag is forgotten.
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
 * Decides what a participant of a superseded build does. It adds no images to the tag. If its own list may have
 * replaced the list of the newer build, it writes the newer list again; otherwise, it leaves.
 */
function leave(participant: Participant, memory: Memory, snapshot: Snapshot, newest: GroupAge) {
  const list = memory.hasPut ? listOf(participant.target, slotsOf(newest, snapshot), snapshot) : undefined;
  if (list !== undefined && list.digest !== snapshot.base?.digest) return putList(list, memory, snapshot, participant);
  const { id, number, attempt } = newest;
  const decision: Decision = { do: 'leave', by: { id, number, attempt } };
  return { decision, memory };
}

/**
 * Decides to write the list, unless the registry has already accepted it and still returns the previous content of the
 * tag.
 */
function putList(list: JoinedList | undefined, memory: Memory, snapshot: Snapshot, participant: Participant) {
  if (list === undefined) throw new MlistError('ERR_MLIST_UNEXPECTED', `there are no slots for ${participant.target}`);
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

/** Returns the accepted writes that the registry does not return yet: the tag still has previous content. */
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

/**
 * Returns the condition for a write. Returns undefined if the registry has refused the same condition although the tag
 * still has that content, because the registry then does not support conditional writes.
 */
function conditionFor(name: string, condition: Condition, { refused }: Memory): Condition {
  return refused?.name === name && refused.condition === condition ? undefined : condition;
}

/**
 * Returns the list to write for the slots of a build. Returns undefined if expected slots are missing, or if the slots
 * do not all expect the same platforms.
 */
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

/**
 * Returns a group with its start time, which is the earliest one in its slots.
 * @param began - the start of a participant whose slots may not be stored yet
 */
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
 * Whether a slot of this participant has to be written. The group of the participant is the newest, so slots of other
 * groups are replaced.
 * @throws MlistError `ERR_MLIST_CONFLICT` if another participant of the group has overwritten the slot with different
 * images
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
    `two jobs of the build ${group.id} add different images for ${own.platform} to ${target}`,
    { reference: target, remedy: { kind: 'join', change: 'separate-groups' } },
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
  const textOf = (platforms: readonly string[] | undefined) => platforms?.join(',') ?? 'none';
  throw new MlistError(
    'ERR_MLIST_CONFLICT',
    `the jobs of the build ${group.id} expect different platforms in ${target}: ` +
      `${textOf(slot.expect)} (the job for ${slot.platform}) and ${textOf(expect)} (this job)`,
    { reference: target, remedy: { kind: 'join', change: 'expect-the-same' } },
  );
}

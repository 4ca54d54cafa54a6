import {
  descriptorKey,
  emptyDraft,
  isAttestationEntry,
  listName,
  platformOf,
  uniqueEntries,
  type Draft,
  type Entry,
} from '../../draft/draft.ts';
import { withoutEntries } from '../../draft/draft-edit.ts';
import { encodeDraft, type EncodedList } from '../../draft/to-list.ts';
import { checkDraft } from '../../draft/draft-rules.ts';
import { formatPlatform, normalizePlatform, platformKey } from '../../oci/platform/platform.ts';
import { parseReference, withTag, type Reference } from '../../oci/reference.ts';
import { hasErrors, refusal } from '../../schema/problems.ts';
import { entryMembers } from '../sources/entry-members.ts';
import type { Slot } from './slot.ts';

/** The list to which the tag refers before a write. */
export interface Tagged extends EncodedList {
  readonly draft: Draft;
  /**
   * Whether the tag refers to a single image. `digest` is then the digest of the image. The other members describe a
   * list with only this image, which the registry does not store.
   */
  readonly isImage?: boolean;
}

/** A list to write, with the draft from which it was encoded. */
export interface JoinedList extends EncodedList {
  readonly draft: Draft;
}

/**
 * Returns the list of a build with expected platforms: the images in the order of the slots, followed by the
 * attestations. Build tools use the same order.
 */
export function expectedList(target: string, slots: readonly Slot[]): JoinedList {
  const list = parseReference(target);
  const entries = slots.flatMap((slot) => entriesOf(slot, list));
  return encoded({ ...emptyDraft(list), entries: [...imagesOf(entries), ...entries.filter(isAttestationEntry)] });
}

/**
 * Adds the images of the slots to the list of the tag, where they replace images for the same platforms. The result is
 * in canonical order: images by platform, images without a platform, attestations in the order of their images. A list
 * that already has exactly the entries of the slots for these platforms is returned unchanged.
 */
export function joinedList(target: string, base: Tagged | undefined, slots: readonly Slot[]): JoinedList {
  const list = parseReference(target);
  const before = base?.draft ?? emptyDraft(list);
  const added = slots.flatMap((slot) => entriesOf(slot, list));
  const platforms = new Set(imagesOf(added).map(keyOf));
  const replaced = imagesOf(before.entries).filter((entry) => platforms.has(keyOf(entry)));
  const about = new Set(replaced.map(({ digest }) => digest));
  const existing = before.entries.filter(
    (entry) => replaced.includes(entry) || (entry.attests && about.has(entry.attests)),
  );
  if (base !== undefined && base.isImage !== true && sameEntries(existing, added)) return base;
  const entries = canonical(uniqueEntries([...withoutEntries(before.entries, replaced), ...added]));
  return encoded({ ...before, list, format: before.format === 'oci' ? 'oci' : 'auto', entries });
}

function encoded(draft: Draft): JoinedList {
  return { ...encodeDraft(draft), draft };
}

function entriesOf({ name, entries }: Slot, list: Reference): readonly Entry[] {
  const source = { kind: 'registry', reference: withTag(list, name), explicit: true } as const;
  return entries.map((descriptor) => ({ source, ...entryMembers(descriptor) }));
}

function imagesOf(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter((entry) => !isAttestationEntry(entry));
}

function keyOf(entry: Entry): string {
  const platform = platformOf(entry);
  return platform === undefined ? '' : platformKey(platform);
}

function sameEntries(left: readonly Entry[], right: readonly Entry[]): boolean {
  const [some, others] = [left, right].map((entries) => new Set(entries.map(descriptorKey))) as [
    Set<string>,
    Set<string>,
  ];
  return some.size === others.size && [...some].every((text) => others.has(text));
}

function canonical(entries: readonly Entry[]): readonly Entry[] {
  const images = imagesOf(entries);
  const placed = images.filter((entry) => platformOf(entry) !== undefined).sort(byPlatform);
  const others = images.filter((entry) => platformOf(entry) === undefined);
  const places = new Map(placed.map((entry, at) => [entry.digest, at]));
  const place = ({ attests }: Entry) => (attests === undefined ? undefined : places.get(attests)) ?? placed.length;
  const attestations = entries.filter(isAttestationEntry).sort((left, right) => place(left) - place(right));
  return [...placed, ...others, ...attestations];
}

function byPlatform(left: Entry, right: Entry): number {
  const [leftText, rightText] = [left, right].map((entry) => {
    const platform = platformOf(entry);
    return platform === undefined ? '' : formatPlatform(normalizePlatform(platform), { all: true });
  }) as [string, string];
  if (leftText !== rightText) return leftText < rightText ? -1 : 1;
  return left.digest < right.digest ? -1 : Number(left.digest > right.digest);
}

/**
 * Checks that the list is valid.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` if the list violates a rule
 */
export function requireValid(draft: Draft): void {
  const problems = checkDraft(draft);
  if (hasErrors(problems)) throw refusal(`joining images to ${listName(draft)}`, problems, 'ERR_MLIST_LIST_INVALID');
}

/**
 * Checks that the new list is valid, unless the list that it replaces is already invalid.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` if the new list violates a rule
 */
export function requireBetter({ draft }: JoinedList, base: Tagged | undefined): void {
  const before = base === undefined ? [] : checkDraft(base.draft);
  if (!hasErrors(before)) requireValid(draft);
}

import { listName, platformOf, sourceName, type Draft, type Entry } from '../../draft/draft.ts';
import type { EntryEvent } from '../../draft/merge.ts';
import { formatLocation, sameLocation } from '../../oci/location.ts';
import { fromIndex, otherMembers, type MovedBase } from './create-draft.ts';
import type { OnEvent } from '../events.ts';
import { omissionOf, type Omission } from '../omissions.ts';
import type { Resolved } from '../sources/resolve-source.ts';
import { warnAboutDraft } from '../warnings.ts';

/** A draft that was created or amended, to be reported to the author. */
export interface Creation {
  readonly draft: Draft;
  readonly changes: readonly EntryEvent[];
  readonly other: MovedBase | undefined;
  readonly resolved: readonly Resolved[];
  /** Whether an existing draft was amended. Members of the list itself then keep the values of the draft. */
  readonly isAmended: boolean;
}

export function reportCreated(creation: Creation, onEvent: OnEvent | undefined): void {
  const { draft, changes, other, resolved, isAmended } = creation;
  for (const { omitted, events } of resolved) {
    for (const event of events) onEvent?.(event);
    if (omitted !== undefined) onEvent?.({ type: 'left', ...leftOut(omitted) });
  }
  for (const change of changes) onEvent?.({ type: 'entry', list: listName(draft), change });
  const isOwn = other !== undefined && formatLocation(other.ref) === listName(draft);
  if (isOwn) onEvent?.({ type: 'warning', message: baseStays(draft, other) });
  const isMixed = resolved.length > 1 || isAmended;
  for (const one of isMixed ? resolved : []) {
    const lost = isOwn && sameLocation(one.source, other.ref) ? [] : lostMembers(draft, one);
    const reason = resolved.length > 1 ? 'there are several sources' : 'the draft keeps its own values';
    const message = `members of the index ${one.given?.name ?? formatLocation(one.source)} are not kept, because ${reason}: ${lost.join(', ')}`;
    if (lost.length > 0) onEvent?.({ type: 'warning', message });
  }
  warnAboutDraft(draft, onEvent);
}

function baseStays(draft: Draft, { ref, digest, members }: MovedBase): string {
  const list = listName(draft);
  return (
    `${formatLocation(ref)} now refers to ${digest}, whose ${members.join(', ')} differ from this draft. The draft is still based on ${draft.base?.digest ?? ''}, ` +
    `so a push to this tag is refused. "mlist diff ${list}" shows the difference. Set the same values with "mlist annotate" and amend ` +
    `again, start over with "mlist rm ${list}", or overwrite the list with "mlist push --if-digest ${digest}"`
  );
}

function leftOut(entry: Entry): Omission {
  const reason = `${sourceName(entry)} matches none of the requested platforms`;
  return omissionOf('image', { digest: entry.digest, platform: platformOf(entry) }, reason);
}

/**
 * Returns the names of the members of an index that are not copied to the draft. If the index is the base of the draft,
 * the array is empty, because the differences are edits of the author.
 */
function lostMembers(draft: Draft, resolved: Resolved): readonly string[] {
  const { index } = resolved;
  if (index === undefined || index.content.descriptor.digest === draft.base?.digest) return [];
  const other = otherMembers(fromIndex(draft.list, resolved), draft);
  return Object.keys(index.document).filter((name) => other.includes(name));
}

import { isBasedOn, listName, sourceName, type Draft } from '../../draft/draft.ts';
import { MlistError } from '../../errors/errors.ts';
import type { MovingTag } from '../publish/tag-moves.ts';
import { digestOfTag, isTagUsed, refusedRead, stateDifference, type TagState } from '../publish/tag-state.ts';
import { isStoredIn, targetName, type TargetRepository } from '../publish/target.ts';
import type { OpenPushJob, PushDraftOptions, PushJob } from './push-options.ts';

/**
 * Reads the tags of a target before anything is sent, if that can save work or is requested. If the push does not
 * depend on a tag, a failed read does not stop it.
 * @throws MlistError `ERR_MLIST_CONFLICT` for a tag that another client has moved
 */
export async function readTargetTags(job: OpenPushJob, options: PushDraftOptions): Promise<readonly MovingTag[]> {
  const tags = await Promise.all(job.target.tags.map((tag) => readTag(job, tag, options)));
  for (const tag of tags) refuseMoved(job, tag, options);
  return tags;
}

async function readTag(job: OpenPushJob, tag: string, options: PushDraftOptions): Promise<MovingTag> {
  const reference = targetName(job.target, tag);
  const expected = expectedOf(reference, job.draft, options);
  const known = { tag, reference, ...(expected === undefined ? {} : { expected }) };
  if (!isWorthReading(job, reference, options)) return known;
  try {
    const prefetched = isUsed(job, reference, options) ? undefined : await options.prefetched?.get(reference);
    const isEnough = prefetched !== undefined && prefetched !== job.encoded.digest;
    return { ...known, before: isEnough ? prefetched : await digestOfTag(job.store, tag, options) };
  } catch (thrown) {
    const unread = refusedRead(thrown, options);
    if (expected !== undefined || options.expectKept === true) throw unread;
    return { ...known, unread };
  }
}

/** The state that a tag must have to be moved. The base of a draft states it for the draft's own tag only. */
function expectedOf(reference: string, draft: Draft, { ifDigest }: PushDraftOptions): TagState | undefined {
  return ifDigest ?? (isBasedOn(draft, reference) ? draft.base?.digest : undefined);
}

function isUsed({ draft, pushes }: PushJob, reference: string, options: PushDraftOptions): boolean {
  return isBasedOn(draft, reference) || isTagUsed(reference, pushes, options);
}

function isWorthReading(job: PushJob, reference: string, options: PushDraftOptions): boolean {
  const isRequested = options.dryRun === true || options.readTags === true;
  const hasOtherSources = job.draft.entries.some((entry) => !isStoredIn(entry, job.target));
  return isRequested || hasOtherSources || isUsed(job, reference, options);
}

/**
 * Refuses to overwrite a tag that another client has moved. If no expected state is known, only warns if the tag no
 * longer has the list that this draft was last pushed as.
 */
function refuseMoved(
  { draft, encoded, pushes, target }: PushJob,
  { reference, before, expected }: MovingTag,
  { ifDigest, onEvent }: PushDraftOptions,
): void {
  if (before === undefined || before === encoded.digest) return;
  if (expected !== undefined && before !== expected)
    throw moved(reference, target, before, expected, ifDigest === undefined ? draft : undefined);
  const last = pushes?.[reference]?.digest;
  if (last !== undefined && last !== before && expected === undefined)
    onEvent?.({ type: 'warning', message: `${reference} had ${before}, not ${last}, which this draft pushed last` });
}

/**
 * The error for a tag that does not have the expected state.
 * @param draft - the draft whose base states what the tag must have; undefined if the caller states it
 */
function moved(
  reference: string,
  { location }: TargetRepository,
  before: TagState,
  expected: TagState,
  draft: Draft | undefined,
): MlistError {
  const name = location.kind === 'registry' ? `docker://${reference}` : reference;
  return new MlistError('ERR_MLIST_CONFLICT', `${reference} ${stateDifference(before, expected)}`, {
    reference,
    hint: movedHint(name, before, draft),
  });
}

function movedHint(name: string, before: TagState, draft: Draft | undefined): string {
  if (before === 'absent') return 'Push it as a new tag with "--if-digest absent".';
  const check = `Check what it has now ("mlist show ${name}")`;
  if (draft === undefined) return `${check}, then push again with "--if-digest ${before}".`;
  return `${check}. ${amendHint(draft, before)}; "mlist push --if-digest ${before}" overwrites the changes of others.`;
}

/**
 * Explains how to base the draft on the current content of the tag. The steps depend on whether amending would read
 * that list, and on whether the draft already has its images.
 */
function amendHint(draft: Draft, before: TagState): string {
  const list = listName(draft);
  const ofBase = draft.entries.filter((entry) => isBasedOn(draft, sourceName(entry)));
  if (ofBase.length === 0) {
    return `The draft no longer has an image of that list, so --amend does not read it: start over with "mlist rm ${list}"`;
  }
  if (ofBase.every(({ via }) => via !== before)) {
    return `"mlist create --amend ${list}" reads it again and keeps your settings`;
  }
  return (
    `The draft already has its images, but differs in annotations or other members ("mlist diff ${list}"): apply them with ` +
    `"mlist annotate" and amend again, or start over with "mlist rm ${list}"`
  );
}

import { isBasedOn, listName, sourceName, type Draft } from '../../draft/draft.ts';
import { MlistError } from '../../errors/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { MovingTag } from '../publish/tag-moves.ts';
import { digestOfTag, isTagUsed, refusedRead, stateDifference, type TagState } from '../publish/tag-state.ts';
import { isStoredIn, targetName, type TargetRepository } from '../publish/target.ts';
import type { OpenPushJob, PushDraftOptions, PushJob } from './push-options.ts';

/**
 * Returns the tags of a target. Reads their states before anything is sent if the push depends on them, if `readTags`
 * or `dryRun` is set, or if this can save work. If a tag cannot be read, the error is returned as `unread`, or thrown
 * if the tag has an expected state or `expectKept` is set.
 * @throws MlistError `ERR_MLIST_CONFLICT` if a tag does not have the expected state
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

/**
 * Returns the state that a tag must have before it is moved: `ifDigest` or, for the tag from which the draft was
 * created, the digest of its base. Undefined if any state is accepted.
 */
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
 * longer refers to the list of the last push of this draft.
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
    onEvent?.({
      type: 'warning',
      message: movedSinceLastPush(reference, before, last),
    });
}

function movedSinceLastPush(reference: string, before: TagState, last: Digest): string {
  return before === 'absent'
    ? `${reference} was deleted after the last push of this draft, which had moved it to ${last}`
    : `${reference} was moved after the last push of this draft: it referred to ${before} before this push, not to ${last}`;
}

/**
 * Returns the error if a tag does not have the expected state.
 * @param draft - the draft whose base is the expected state; undefined if `ifDigest` is the expected state
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
  if (before === 'absent') return 'To create the tag, push again with "--if-digest absent".';
  const check = `Check the current content of the tag ("mlist show ${name}")`;
  if (draft === undefined) return `${check}, then push again with "--if-digest ${before}".`;
  return `${check}. ${amendHint(draft, before)}; "mlist push --if-digest ${before}" overwrites the changes of others.`;
}

/**
 * Returns the steps that base the draft on the current list of the tag. They depend on whether amending would read that
 * list, and on whether the draft already has the images of that list.
 */
function amendHint(draft: Draft, before: TagState): string {
  const list = listName(draft);
  const ofBase = draft.entries.filter((entry) => isBasedOn(draft, sourceName(entry)));
  if (ofBase.length === 0) {
    return `The draft no longer has an image from the tag, so --amend does not read the tag: start over with "mlist rm ${list}"`;
  }
  if (ofBase.every(({ via }) => via !== before)) {
    return `"mlist create --amend ${list}" reads it again and keeps your settings`;
  }
  return (
    `The draft already has the images of the current list, but differs from it in annotations or other members ("mlist diff ${list}"): ` +
    `set the same values with "mlist annotate" and amend again, or start over with "mlist rm ${list}"`
  );
}

import { asMlistError, MlistError, SeveralErrors } from '../../errors/errors.ts';
import { isBasedOn, listName, sourceName, type Draft, type Entry } from '../../draft/draft.ts';
import type { EncodedList } from '../../draft/to-list.ts';
import { pushesOf, type State } from '../../draft/workspace/workspace-state.ts';
import type { ContentReader, Store } from '../../store/store.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { repositoryName } from '../../oci/reference.ts';
import type { SharedTransfers } from '../../transfer/shared-transfers.ts';
import { hasLostContent, isContentUnknown } from '../../transfer/unknown-content.ts';
import type { Plan } from '../../transfer/plan.ts';
import { runPlan } from '../../transfer/run.ts';
import { logTarget } from '../../transfer/target-log.ts';
import { imageNameOf } from '../publish/image-name.ts';
import { entryGone } from '../publish/missing-entries.ts';
import { isStoredIn, planPush, publishedIn, readAhead, type PushPlan } from './plan-push.ts';
import { watchConfigs } from '../platform-claims.ts';
import { publish, type PublishOptions } from '../publish/publish.ts';
import { SentContent } from '../publish/sent-content.ts';
import { warnAboutSignatures } from './signature-warnings.ts';
import { digestOfTag, isTagUsed, refusedRead, type EarlyTagStates, type TagState } from '../publish/tag-state.ts';
import { checkMoves, type MovingTag } from '../publish/tag-moves.ts';
import { targetName, type TargetRepository } from '../publish/target.ts';

/** Pushing a list to one repository, under all its tags there. */
export interface PushJob {
  readonly draft: Draft;
  readonly encoded: EncodedList;
  readonly target: TargetRepository;
  readonly state: State;
}

export interface PushTargetOptions extends PublishOptions {
  /** Refuse unless the tags have this digest, or are absent, or have what is to be pushed already: so a push can be repeated. */
  readonly ifDigest?: TagState | undefined;
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  /** Let the list take the place of a single image whose platform it does not have. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Refuse a list that lacks a platform of the list that it replaces. Default false. */
  readonly expectKept?: boolean | undefined;
  /** Warn where a tag moves away from a list that is signed; a dry run always does. Default false, since it is asked for. */
  readonly checkSignatures?: boolean | undefined;
  /** The hint for missing images if there is no draft that can be edited. */
  readonly missingHint?: string | undefined;
  /** Shared by the copies and pushes of one command. */
  readonly transfers?: SharedTransfers | undefined;
  /** Read what every tag has before anything is written. Default: where that can save work or is asked for. */
  readonly readTags?: boolean | undefined;
  /** What tags had a while ago. Enough to know that one is to be moved, where the push decides nothing by what it has. */
  readonly early?: EarlyTagStates | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PushedTarget {
  /** Canonical reference, or location. */
  readonly reference: string;
  /** unchanged: the tag had this digest already. planned: a dry run. */
  readonly status: 'pushed' | 'unchanged' | 'planned';
  /** What the tag had before; `absent` where there was no such tag. Not there where nobody looked. */
  readonly before?: TagState;
  /** Platforms of the list that the tag had before which this list lacks. */
  readonly lost?: readonly Platform[];
  readonly plan?: Plan;
}

export async function pushToTarget(job: PushJob, options: PushTargetOptions): Promise<readonly PushedTarget[]> {
  const { dryRun, signal } = options;
  const repository = repositoryName(job.draft.list);
  const imageName = (tag: string): string | undefined => imageNameOf(tag, repository);
  const writing = { dryRun, signal, imageName };
  return publish(job.target.location, options, writing, (store, reporting) => pushTo(store, job, reporting));
}

async function pushTo(store: Store, job: PushJob, options: PushTargetOptions): Promise<readonly PushedTarget[]> {
  const { encoded, target, draft } = job;
  const { stores, force = false, dryRun = false, signal } = options;
  const looks = Promise.all(target.tags.map((tag) => readTag(job, tag, store, options)));
  const ahead = readAhead(job, { stores });
  const tags = await looks;
  for (const tag of tags) refuseMoved(job, tag, options);
  const isDone = ({ before }: MovingTag) => before === encoded.digest && !force;
  const open = tags.filter((tag) => !isDone(tag));
  const unchanged = tags
    .filter(isDone)
    .map(({ reference }) => ({ reference, status: 'unchanged' as const, before: encoded.digest }));
  for (const { reference, status } of unchanged)
    logTarget(options.targets, { reference, status, digest: encoded.digest });
  if (open.length === 0) return unchanged;
  if (options.checkSignatures === true || dryRun) await warnOfSignatures(store, open, options);
  const ifMatch = conditionsOf(open, draft, options);
  const published = await publishedIn(
    tags.map(({ before }) => before),
    stores,
  );
  const { missingHint } = options;
  const planning = { stores, force, survey: dryRun, published, ifMatch, ahead, missingHint, signal };
  const openTarget = { ...target, tags: open.map(({ tag }) => tag) };
  const what = { draft, encoded, target: openTarget, store };
  const planned = await planPush(what, planning);
  const { plan } = planned;
  const moves = checkMoves(
    store,
    open,
    { content: plan.root.content, source: store },
    { ...options, cache: stores.cache },
  );
  const repair = (sent: ReadonlySet<Digest>) => planPush(what, { ...planning, force: true, sent });
  if (!dryRun) await runRepaired(planned, repair, { ...options, moves });
  const replaced = await moves;
  const status = dryRun ? ('planned' as const) : ('pushed' as const);
  return [...unchanged, ...open.map(({ tag, reference }) => ({ reference, status, ...replaced.get(tag), plan }))];
}

/** What a name must have to be moved. What the draft was made from says so of that one name, and nothing of further names. */
function expectedOf(reference: string, draft: Draft, { ifDigest }: PushTargetOptions): TagState | undefined {
  return ifDigest ?? (isBasedOn(draft, reference) ? draft.base?.digest : undefined);
}

function conditionsOf(tags: readonly MovingTag[], draft: Draft, options: PushTargetOptions): Map<string, TagState> {
  const conditions = new Map<string, TagState>();
  for (const { tag, reference } of tags) {
    const expected = expectedOf(reference, draft, options);
    if (expected !== undefined) conditions.set(tag, expected);
  }
  return conditions;
}

async function warnOfSignatures(
  store: Store,
  open: readonly MovingTag[],
  { signal, onEvent }: PushTargetOptions,
): Promise<void> {
  const moving = open.flatMap(({ reference, before }) =>
    before === undefined || before === 'absent' ? [] : [{ reference, before }],
  );
  await warnAboutSignatures(store, moving, { signal, onEvent });
}

/**
 * Reads what a tag has before anything is sent, where that can save work or is asked for. If the push does not depend on
 * it, a tag that cannot be read is no reason to stop.
 */
async function readTag(
  job: PushJob,
  tag: string,
  store: ContentReader,
  options: PushTargetOptions,
): Promise<MovingTag> {
  const reference = targetName(job.target, tag);
  if (!isWorthReading(job, reference, options)) return { tag, reference };
  try {
    const seen = isUsed(job, reference, options) ? undefined : await options.early?.get(reference);
    const isEnough = seen !== undefined && seen !== job.encoded.digest;
    return { tag, reference, before: isEnough ? seen : await digestOfTag(store, tag, options) };
  } catch (thrown) {
    const unread = refusedRead(thrown, options);
    if (expectedOf(reference, job.draft, options) !== undefined || options.expectKept === true) throw unread;
    return { tag, reference, unread };
  }
}

function isUsed({ draft, state }: PushJob, reference: string, options: PushTargetOptions): boolean {
  return isBasedOn(draft, reference) || isTagUsed(reference, pushesOf(state, draft.list), options);
}

function isWorthReading(job: PushJob, reference: string, options: PushTargetOptions): boolean {
  const isAsked = options.dryRun === true || options.readTags === true;
  const comesFromElsewhere = job.draft.entries.some((entry) => !isStoredIn(entry, job.target));
  return isAsked || comesFromElsewhere || isUsed(job, reference, options);
}

/** A tag that somebody else has moved is not moved back. */
function refuseMoved(
  { draft, encoded, state, target }: PushJob,
  { reference, before }: MovingTag,
  options: PushTargetOptions,
): void {
  if (before === undefined || before === encoded.digest) return;
  const expected = expectedOf(reference, draft, options);
  if (expected !== undefined && before !== expected)
    throw moved(reference, target, before, expected, options.ifDigest === undefined ? draft : undefined);
  const ours = pushesOf(state, draft.list)?.[reference]?.digest;
  if (ours !== undefined && ours !== before && expected === undefined) {
    options.onEvent?.({
      type: 'warning',
      message: `${reference} had ${before}, not ${ours}, which this draft pushed last`,
    });
  }
}

function moving(before: TagState, expected: TagState): string {
  if (before === 'absent') return `is gone: it was to have ${expected}`;
  return expected === 'absent'
    ? `is there already, with ${before}`
    : `has ${before}, not ${expected}: somebody has moved it`;
}

/** @param draft - the draft that was made from what the tag had, where that is why it must have it */
function moved(
  reference: string,
  { location }: TargetRepository,
  before: TagState,
  expected: TagState,
  draft: Draft | undefined,
): MlistError {
  const which = moving(before, expected);
  const place = location.kind === 'registry' ? `docker://${reference}` : reference;
  return new MlistError('ERR_MLIST_CONFLICT', `${reference} ${which}`, {
    reference,
    hint: movedHint(place, before, draft),
  });
}

function movedHint(place: string, before: TagState, draft: Draft | undefined): string {
  if (before === 'absent') return 'Push it as a new one with "--if-digest absent".';
  const look = `Look at what is there now ("mlist show ${place}")`;
  if (draft === undefined) return `${look}, then push again with "--if-digest ${before}".`;
  return `${look}. ${amendHint(draft, before)}; "mlist push --if-digest ${before}" overwrites what others have done.`;
}

/** What was amended already and still stands on its old base would be no other if it was amended again. */
function amendHint(draft: Draft, before: TagState): string {
  const list = listName(draft);
  const ofBase = draft.entries.filter((entry) => isBasedOn(draft, sourceName(entry)));
  if (ofBase.length === 0) {
    return `The draft has no image of that list any more, so --amend does not read it: begin anew with "mlist rm ${list}"`;
  }
  if (ofBase.every(({ via }) => via !== before)) {
    return `"mlist create --amend ${list}" reads it again and keeps what you have set`;
  }
  return (
    `The draft has its images already, but not what it says of itself ("mlist diff ${list}"): say the same with ` +
    `"mlist annotate" and amend again, or begin anew with "mlist rm ${list}"`
  );
}

interface RunningOptions extends PushTargetOptions {
  /** What the tags have now. */
  readonly moves: ReturnType<typeof checkMoves>;
}

/** Runs the plan. If the registry has lost children that it was known to have, these are sent again, and nothing else. */
async function runRepaired(
  planned: PushPlan,
  repair: (sent: ReadonlySet<Digest>) => Promise<PushPlan>,
  options: RunningOptions,
): Promise<void> {
  const sent = new SentContent(options.onEvent);
  try {
    await runPlanned(planned, { ...options, onEvent: sent.onEvent });
  } catch (thrown) {
    options.signal?.throwIfAborted();
    if (!planned.hasKnown || !hasLostContent(thrown, planned.plan)) throw thrown;
    const repaired = await repair(sent.digests);
    if (repaired.plan.manifests.length === 0) throw thrown;
    await runPlanned(repaired, options);
  }
}

function isPlatformSet({ set = {} }: Entry): boolean {
  return [set.os, set.architecture, set.variant, set['os.version']].some((member) => member !== undefined);
}

async function runPlanned(
  { plan, resent, draft }: PushPlan,
  { transfers, moves, targets, signal, onEvent }: RunningOptions,
): Promise<void> {
  const ignored = new Set(draft.entries.filter(isPlatformSet).map(({ digest }) => digest));
  const onConfig = watchConfigs(plan, { onEvent, ignored });
  await runPlan(plan, { transfers, replaced: moves, targets, signal, onEvent, onConfig }).catch((thrown: unknown) => {
    throw isContentUnknown(thrown) ? lostBelow(asMlistError(thrown), resent, draft) : thrown;
  });
  if (resent.length === 0) return;
  const what = resent.length === 1 ? 'a child' : `${resent.length} children`;
  onEvent?.({
    type: 'note',
    message: `${plan.target.location} had lost ${what} of the list: sent again from the cache`,
  });
}

/** A child whose manifest was kept, and whose blobs are gone too, is gone. */
function lostBelow(error: MlistError, resent: readonly Entry[], draft: Draft): MlistError {
  const errors = error instanceof SeveralErrors ? error.errors : [error];
  const [first = error, ...more] = errors.map((one) => {
    const entry = resent.find(({ digest }) => one.facts.reference?.endsWith(`@${digest}`));
    return entry === undefined ? one : entryGone(entry, draft, one);
  });
  return SeveralErrors.of([first, ...more]);
}

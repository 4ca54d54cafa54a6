import { MlistError } from '../errors.ts';
import type { Draft } from '../draft/draft.ts';
import type { EncodedList } from '../draft/list.ts';
import type { State } from '../draft/state.ts';
import type { ContentOptions, ContentSource } from '../oci/content.ts';
import type { Digest } from '../oci/digest.ts';
import { parseReference, repositoryName } from '../oci/reference.ts';
import type { Plan } from '../transfer/plan.ts';
import { runPlan } from '../transfer/run.ts';
import type { OnEvent } from './events.ts';
import type { Homes, WritableHome } from './homes.ts';
import { imageNameOf } from './image-name.ts';
import { isLostContent } from './lost-content.ts';
import { liesIn, planPush } from './push-plan.ts';
import { targetName, type TargetRepository } from './target.ts';

/** Pushing a list to one repository, under all its tags there. */
export interface PushJob {
  readonly draft: Draft;
  readonly encoded: EncodedList;
  readonly target: TargetRepository;
  readonly state: State;
}

export interface PushTargetOptions {
  readonly homes: Homes;
  readonly ifDigest?: Digest | undefined;
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  /** Read what every tag has before anything is written. Default: where that can save work or is asked for. */
  readonly readTags?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

export interface PushedTarget {
  /** Canonical reference, or location. */
  readonly reference: string;
  /** unchanged: the tag had this digest already. planned: a dry run. */
  readonly status: 'pushed' | 'unchanged' | 'planned';
  /** What the tag had before; `absent` where there was no such tag. Not there where nobody looked. */
  readonly before?: Digest | 'absent';
  readonly plan?: Plan;
}

interface TagBefore {
  readonly tag: string;
  readonly reference: string;
  readonly before?: Digest | 'absent';
}

export async function pushToTarget(job: PushJob, options: PushTargetOptions): Promise<readonly PushedTarget[]> {
  const { homes, dryRun, signal } = options;
  const repository = repositoryName(parseReference(job.draft.list));
  const imageName = (tag: string): string | undefined => imageNameOf(tag, repository);
  return homes.writing(job.target.location, (home) => pushTo(home, job, options), { dryRun, signal, imageName });
}

async function pushTo(home: WritableHome, job: PushJob, options: PushTargetOptions): Promise<readonly PushedTarget[]> {
  const { encoded, target, draft } = job;
  const { homes, force = false, dryRun = false, signal, ifDigest } = options;
  const tags = await Promise.all(target.tags.map((tag) => readTag(job, tag, home, options)));
  for (const tag of tags) refuseMoved(job, tag, options);
  const isDone = ({ before }: TagBefore) => before === encoded.digest && !force;
  const open = tags.filter((tag) => !isDone(tag));
  const unchanged = tags.filter(isDone).map((tag) => ({ ...resultOf(tag), status: 'unchanged' as const }));
  if (open.length === 0) return unchanged;
  const baseDigest = open.some(({ reference }) => reference === draft.base?.ref) ? draft.base?.digest : undefined;
  const planning = { homes, force, survey: dryRun, ifMatch: ifDigest ?? baseDigest, signal };
  const openTarget = { ...target, tags: open.map(({ tag }) => tag) };
  const what = { draft, encoded, target: openTarget, home };
  const plan = await planPush(what, planning);
  if (!dryRun) await runRepaired(plan, () => planPush(what, { ...planning, resend: true }), options);
  return [
    ...unchanged,
    ...open.map((tag) => ({ ...resultOf(tag), status: dryRun ? ('planned' as const) : ('pushed' as const), plan })),
  ];
}

function resultOf({ reference, before }: TagBefore): Omit<PushedTarget, 'status'> {
  return { reference, ...(before === undefined ? {} : { before }) };
}

/** Reads what a tag has, where that can save work or is asked for. */
async function readTag(job: PushJob, tag: string, home: ContentSource, options: PushTargetOptions): Promise<TagBefore> {
  const reference = targetName(job.target, tag);
  if (!isWorthReading(job, reference, options)) return { tag, reference };
  return { tag, reference, before: await digestOfTag(home, tag, options) };
}

function isWorthReading(
  { draft, state, target }: PushJob,
  reference: string,
  { ifDigest, dryRun, readTags }: PushTargetOptions,
): boolean {
  return (
    dryRun === true ||
    readTags === true ||
    ifDigest !== undefined ||
    draft.base?.ref === reference ||
    state.pushes?.[draft.list]?.[reference] !== undefined ||
    draft.entries.some((entry) => !liesIn(entry, target))
  );
}

async function digestOfTag(home: ContentSource, tag: string, { signal }: ContentOptions): Promise<Digest | 'absent'> {
  try {
    return (await home.resolve(tag, { signal })).digest;
  } catch (error) {
    if (error instanceof MlistError && error.code === 'ERR_MLIST_NOT_FOUND') return 'absent';
    throw error;
  }
}

/** A tag that somebody else has moved is not moved back. */
function refuseMoved(
  { draft, encoded, state }: PushJob,
  { reference, before }: TagBefore,
  options: PushTargetOptions,
): void {
  if (before === undefined || before === encoded.digest) return;
  const base = draft.base?.ref === reference ? draft.base.digest : undefined;
  const expected = options.ifDigest ?? base;
  if (expected !== undefined && before !== expected) {
    const now = before === 'absent' ? 'is gone' : `has ${before}`;
    throw new MlistError('ERR_MLIST_CONFLICT', `${reference} ${now}, not ${expected}: somebody has moved it`, {
      reference,
      hint: 'Look at what is there now ("mlist show"), then push again with --if-digest and that digest.',
    });
  }
  const ours = state.pushes?.[draft.list]?.[reference]?.digest;
  if (ours !== undefined && ours !== before && expected === undefined) {
    options.onEvent?.({
      type: 'warning',
      message: `${reference} had ${before}, not ${ours}, which this draft pushed last`,
    });
  }
}

/** A registry may have cleaned up children that it had: what was kept of them is sent once more. */
async function runRepaired(
  plan: Plan,
  repair: () => Promise<Plan>,
  { signal, onEvent }: PushTargetOptions,
): Promise<void> {
  try {
    await runPlan(plan, { signal, onEvent });
  } catch (thrown) {
    signal?.throwIfAborted();
    if (!isLostContent(thrown)) throw thrown;
    onEvent?.({ type: 'note', message: `${plan.target.location} has lost children of the list: they are sent again` });
    await runPlan(await repair(), { signal, onEvent });
  }
}

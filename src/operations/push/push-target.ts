import type { Platform } from '../../oci/platform/platform.ts';
import { repositoryName } from '../../oci/reference.ts';
import type { Plan } from '../../transfer/plan.ts';
import { logTarget } from '../../transfer/target-log.ts';
import { imageNameOf } from '../publish/image-name.ts';
import { publish } from '../publish/publish.ts';
import { checkMoves, type MovingTag } from '../publish/tag-moves.ts';
import type { TagState } from '../publish/tag-state.ts';
import { planPush, readCachedImages } from './plan-push.ts';
import type { RegistryRequests } from './request-estimate.ts';
import type { OpenPushJob, PushDraftOptions, PushJob } from './push-options.ts';
import { runPush } from './run-push.ts';
import { warnAboutSignatures } from './signature-warnings.ts';
import { readTargetTags } from './target-tags.ts';

export interface PushedTarget {
  /** The canonical reference of the tag, or its location in a layout or archive. */
  readonly reference: string;
  /** `unchanged`: the tag already referred to the list. `planned`: a dry run. */
  readonly status: 'pushed' | 'unchanged' | 'planned';
  /** The previous state of the tag; `absent` if it did not exist. Undefined if it was not read. */
  readonly before?: TagState;
  /** Platforms that the previous list of the tag has and the new list lacks. */
  readonly lost?: readonly Platform[];
  readonly plan?: Plan;
  /** For a dry run: the estimated requests of the push to each registry. */
  readonly requests?: readonly RegistryRequests[];
}

/**
 * Pushes the list to one target: reads its tags, plans the transfer of the content that it lacks, and runs the plan.
 * @throws MlistError `ERR_MLIST_CONFLICT` if a tag does not have the expected state; the errors of `planPush` and
 * `runPush`
 */
export async function pushToTarget(job: PushJob, options: PushDraftOptions): Promise<readonly PushedTarget[]> {
  const { dryRun, signal } = options;
  const repository = repositoryName(job.draft.list);
  const imageName = (tag: string): string | undefined => imageNameOf(tag, repository);
  const writing = { dryRun, signal, imageName };
  return publish(job.target.location, options, writing, (store, reporting) =>
    pushToStore({ ...job, store }, reporting),
  );
}

async function pushToStore(job: OpenPushJob, options: PushDraftOptions): Promise<readonly PushedTarget[]> {
  const { encoded, target, store } = job;
  const { force = false, dryRun = false } = options;
  const reading = readTargetTags(job, options);
  const cached = readCachedImages(job, options);
  const tags = await reading;
  const isUnchanged = ({ before }: MovingTag) => before === encoded.digest && !force;
  const unchanged = tags.filter(isUnchanged).map(({ reference }) => logUnchanged(reference, job, options));
  const moving = tags.filter((tag) => !isUnchanged(tag));
  if (moving.length === 0) return unchanged;
  if (options.checkSignatures === true || dryRun) await warnAboutSignatures(store, moving, options);
  const movingJob = { ...job, target: { ...target, tags: moving.map(({ tag }) => tag) } };
  const planned = await planPush(movingJob, { tags, cached }, options);
  const { plan, requests } = planned;
  const checking = checkMoves(store, moving, { content: plan.root.content, source: store }, options);
  if (!dryRun) await runPush(planned, checking, { ...options, beforeNames: job.entrance?.pass });
  const moves = await checking;
  const status = dryRun ? ('planned' as const) : ('pushed' as const);
  return [
    ...unchanged,
    ...moving.map(({ tag, reference }) => ({
      reference,
      status,
      ...moves.get(tag),
      plan,
      ...(dryRun ? { requests } : {}),
    })),
  ];
}

function logUnchanged(reference: string, { encoded }: PushJob, { targets }: PushDraftOptions): PushedTarget {
  const { digest } = encoded;
  logTarget(targets, { reference, status: 'unchanged', digest });
  return { reference, status: 'unchanged', before: digest };
}

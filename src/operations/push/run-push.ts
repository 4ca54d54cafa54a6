import type { Entry } from '../../draft/draft.ts';
import { asMlistError, SeveralErrors, type MlistError } from '../../errors/errors.ts';
import { runPlan, type RunOptions } from '../../transfer/run.ts';
import { hasLostContent, isContentUnknown } from '../../transfer/unknown-content.ts';
import { watchConfigs } from '../platform-claims.ts';
import { entryGone } from '../publish/missing-entries.ts';
import type { PublishContext } from '../publish/publish.ts';
import { SentContent } from '../publish/sent-content.ts';
import type { checkMoves } from '../publish/tag-moves.ts';
import type { PushPlan } from './plan-push.ts';

export interface RunPushOptions extends PublishContext, Pick<RunOptions, 'beforeNames'> {}

/**
 * Runs the plan. If the registry has lost content that the plan relied on, plans the push again and sends the lost
 * content.
 * @param checking - the check of the tags, which runs at the same time. No tag is moved before it has succeeded
 */
export async function runPush(
  planned: PushPlan,
  checking: ReturnType<typeof checkMoves>,
  context: RunPushOptions,
): Promise<void> {
  const sent = new SentContent(context.onEvent);
  try {
    await runOnce(planned, checking, { ...context, onEvent: sent.onEvent });
  } catch (thrown) {
    context.signal?.throwIfAborted();
    if (!planned.hasKnown || !hasLostContent(thrown, planned.plan)) throw thrown;
    const repair = await planned.repair(sent.digests);
    if (repair.plan.manifests.length === 0) throw thrown;
    await runOnce(repair, checking, context);
  }
}

async function runOnce(
  planned: PushPlan,
  checking: ReturnType<typeof checkMoves>,
  { transfers, beforeNames, targets, signal, onEvent }: RunPushOptions,
): Promise<void> {
  const { plan, resent, draft } = planned;
  const ignored = new Set(draft.entries.filter(isPlatformSet).map(({ digest }) => digest));
  const onConfig = watchConfigs(plan, { onEvent, ignored });
  const running = { transfers, replaced: checking, beforeNames, targets, signal, onEvent, onConfig };
  await runPlan(plan, running).catch((thrown: unknown) => {
    throw isContentUnknown(thrown) ? lostChildren(asMlistError(thrown), planned) : thrown;
  });
  if (resent.length === 0) return;
  const [what, them] = resent.length === 1 ? ['a manifest', 'it'] : [`${resent.length} manifests`, 'them'];
  onEvent?.({
    type: 'note',
    message: `${plan.target.location} no longer had ${what} of the list; mlist sent ${them} again from the cache`,
  });
}

function isPlatformSet({ set = {} }: Entry): boolean {
  return [set.os, set.architecture, set.variant, set['os.version']].some((member) => member !== undefined);
}

/**
 * Returns the error if the registry has also lost blobs of children. They cannot be sent again, because only manifests
 * are cached.
 */
function lostChildren(error: MlistError, { resent, draft }: PushPlan): MlistError {
  const errors = error instanceof SeveralErrors ? error.errors : [error];
  const [first = error, ...more] = errors.map((part) => {
    const entry = resent.find(({ digest }) => part.facts.reference?.endsWith(`@${digest}`));
    return entry === undefined ? part : entryGone(entry, draft, part);
  });
  return SeveralErrors.of([first, ...more]);
}

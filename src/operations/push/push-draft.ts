import { mapLimited } from '../../async/limiter.ts';
import type { Draft } from '../../draft/draft.ts';
import type { EncodedList } from '../../draft/to-list.ts';
import { pushesOf, type State } from '../../draft/workspace/workspace-state.ts';
import { asMlistError, type MlistError, type TargetOutcome } from '../../errors/errors.ts';
import type { Stores } from '../../store/open.ts';
import { logTarget, type TargetLog } from '../../transfer/target-log.ts';
import { listBytes } from '../list-bytes.ts';
import { checkBeforePush } from '../publish/check-push.ts';
import { deduplicateEvents } from '../events.ts';
import { withoutAttestations } from '../publish/missing-entries.ts';
import { isStoredIn, targetName, targetsOf, type TargetRepository } from '../publish/target.ts';
import { generateManifests } from './generate-manifests.ts';
import type { PushDraftOptions } from './push-options.ts';
import { pushToTarget, type PushedTarget } from './push-target.ts';
import { TargetGroup, withoutHeldBack } from './target-group.ts';

/** The result of pushing a draft to all its targets. Some targets may have failed while others succeeded. */
export interface DraftPushed {
  /** The draft that was pushed, with the manifests generated for engine images, and without missing attestations. */
  readonly draft: Draft;
  readonly encoded: EncodedList;
  readonly pushed: readonly PushedTarget[];
  readonly failures: readonly MlistError[];
}

/**
 * Maximum number of targets that are written concurrently, unless `allOrNothing` is set. Each archive keeps a file open
 * until it is written.
 */
const TARGETS_AT_ONCE = 16;

/**
 * Pushes a draft to all its targets. If all targets fail only because attestations are missing, pushes the list without
 * these attestations. Nothing is recorded in a workspace.
 * @param state - the state of the workspace, with the digests of the last pushes of the draft
 * @throws MlistError if the draft is refused before anything is written; later failures are part of the result
 */
export async function pushDraft(given: Draft, state: State, options: PushDraftOptions): Promise<DraftPushed> {
  const targets = targetsOf(given.list, options.tags ?? [], options.to ?? []);
  const log: TargetLog = options.targets ?? new Map<string, TargetOutcome>();
  for (const reference of targets.flatMap(namesOf)) logTarget(log, { reference, status: 'not-pushed' });
  const draft = await generateManifests(given, options);
  checkBeforePush(draft, options);
  const logged = { ...options, targets: log, onEvent: deduplicateEvents(options.onEvent, ['origin']) };
  const first = await pushToAll(draft, state, targets, logged);
  const { failures, pushed } = first;
  const entries = pushed.length > 0 ? undefined : withoutAttestations(draft.entries, failures, options.onEvent);
  if (entries === undefined) return resultOf(first, log);
  const reduced = { ...draft, entries };
  // All warnings have been reported already, except the one about an empty list.
  checkBeforePush(reduced, entries.length === 0 ? options : { ...options, onEvent: undefined });
  return resultOf(await pushToAll(reduced, state, targets, logged), log);
}

interface AllPushed extends DraftPushed {
  readonly group: TargetGroup | undefined;
}

function resultOf({ group, ...result }: AllPushed, log: TargetLog): DraftPushed {
  if (group === undefined || result.failures.length === 0) return result;
  return { ...result, failures: group.withOutcomes(result.failures, [...log.values()]) };
}

async function pushToAll(
  draft: Draft,
  state: State,
  targets: readonly TargetRepository[],
  options: PushDraftOptions & { readonly targets: TargetLog },
): Promise<AllPushed> {
  const { stores, signal, allOrNothing = false, dryRun = false } = options;
  stores.expect({ later: targets.map(({ location }) => location) });
  const encoded = await listBytes(draft, { cache: stores.cache, stores: () => stores, signal });
  expectAccess(draft, targets, stores);
  const pushes = pushesOf(state, draft.list);
  const group = allOrNothing && !dryRun ? new TargetGroup(targets.length, options.onEvent) : undefined;
  // In a group, each target waits for all others, so all must run at once.
  const atOnce = group === undefined ? TARGETS_AT_ONCE : targets.length;
  const results = await mapLimited(targets, atOnce, async (target) => {
    const entrance = group?.entrance();
    try {
      const job = { draft, encoded, target, pushes, entrance };
      const pushed = await pushToTarget(job, { ...options, onEvent: group?.onEvent ?? options.onEvent });
      entrance?.arrive();
      return { pushed, failures: [] };
    } catch (thrown) {
      group?.close();
      return { pushed: writtenTags(options.targets, target), failures: [asMlistError(thrown)] };
    }
  });
  const pushed = results.flatMap((result) => result.pushed);
  const failures = results.flatMap((result) => result.failures);
  return { draft, encoded, pushed, failures: withoutHeldBack(failures), group };
}

function namesOf(target: TargetRepository): readonly string[] {
  return target.tags.map((tag) => targetName(target, tag));
}

/**
 * Returns the tags of a failed target that refer to the list: they were moved before the failure, or already referred
 * to it.
 */
function writtenTags(log: TargetLog, target: TargetRepository): readonly PushedTarget[] {
  return namesOf(target).flatMap((reference) => {
    const status = log.get(reference)?.status;
    return status === 'pushed' || status === 'unchanged' ? [{ reference, status }] : [];
  });
}

/** Announces all repositories that the push will use, so that one token can cover them. */
function expectAccess(draft: Draft, targets: readonly TargetRepository[], stores: Stores): void {
  const elsewhere = draft.entries.filter((entry) => targets.some((target) => !isStoredIn(entry, target)));
  const read = elsewhere.flatMap(({ source, fill = [] }) => [source, ...fill]);
  stores.expect({ write: targets.map(({ location }) => location), read });
}

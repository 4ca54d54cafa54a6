import { asMlistError, SeveralErrors, type MlistError, type TargetOutcome } from '../../errors/errors.ts';
import type { Draft, Format } from '../../draft/draft.ts';
import type { EncodedList } from '../../draft/to-list.ts';
import { readState, type State } from '../../draft/workspace/workspace-state.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { mapLimited } from '../../async/limiter.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { logTarget, type TargetLog } from '../../transfer/target-log.ts';
import { chosenList } from '../current-draft.ts';
import type { Stores } from '../../store/open.ts';
import { withInterruptionReport } from '../publish/interruption.ts';
import { listBytes } from '../list-bytes.ts';
import { withoutAttestations } from '../publish/missing-entries.ts';
import { checkBeforePush, type CheckOptions } from '../publish/check-push.ts';
import { isStoredIn } from './plan-push.ts';
import { purgeDraft, rebaseDraft, recordPush } from './record-push.ts';
import { pushToTarget, type PushedTarget, type PushTargetOptions } from './push-target.ts';
import { targetName, targetsOf, type TargetRepository } from '../publish/target.ts';

export interface PushOptions extends PushTargetOptions, CheckOptions {
  readonly workspace: Workspace;
  /** Further names: `:TAG` of each place that the list goes to, or references. */
  readonly tags?: readonly string[] | undefined;
  /** Locations that take the place of the list's own. */
  readonly to?: readonly string[] | undefined;
  readonly format?: Format | undefined;
  /** Remove the draft when all is done. */
  readonly purge?: boolean | undefined;
  /** Keep in the workspace what was pushed where. Default true. */
  readonly record?: boolean | undefined;
  /** The time that is recorded. Default: now. */
  readonly now?: (() => Date) | undefined;
}

export interface Pushed {
  /** Canonical reference of the draft. */
  readonly list: string;
  /** Of the list that was pushed, or would be. */
  readonly descriptor: Descriptor;
  readonly targets: readonly PushedTarget[];
  readonly purged: boolean;
}

/**
 * Pushes the list that a draft stands for: children that a target lacks, then the list, its tags last.
 * @throws MlistError before anything is written: `ERR_MLIST_LIST_INVALID` with all problems, `ERR_MLIST_EXPECTATION`,
 *   `ERR_MLIST_CONFLICT`; later what the registries answer, for all targets that failed
 */
export async function push(list: Reference | undefined, options: PushOptions): Promise<Pushed> {
  return withInterruptionReport(options, (reported) => pushList(list, reported));
}

async function pushList(list: Reference | undefined, options: PushOptions): Promise<Pushed> {
  const { workspace, signal, dryRun = false } = options;
  const chosen = await chosenList(workspace, list);
  const stored = await workspace.load(chosen);
  const draft = options.format === undefined ? stored : { ...stored, format: options.format };
  const isFormatAsked = draft.format !== stored.format;
  const told = { ...options, isFormatAsked };
  const { encoded, pushed, failures } = await pushDraft(draft, await readState(workspace), told);
  if (!dryRun) await recordPush(chosen, encoded, pushed, options);
  if (failures.length > 0) tellUnchanged(encoded, pushed, options);
  signal?.throwIfAborted();
  SeveralErrors.throwAny(failures);
  const purged = options.purge === true && !dryRun && (await purgeDraft(stored, options));
  if (!dryRun && !purged) await rebaseDraft(stored, encoded, pushed, options);
  const descriptor = { mediaType: encoded.mediaType, digest: encoded.digest, size: encoded.bytes.length };
  return { list: formatReference(chosen), descriptor, targets: pushed, purged };
}

/** Where some targets have failed, who reads on must know of all the others: of those that were written it is told already. */
function tellUnchanged({ digest }: EncodedList, pushed: readonly PushedTarget[], { onEvent }: PushOptions): void {
  for (const { reference, status } of pushed)
    if (status === 'unchanged') onEvent?.({ type: 'unchanged', reference, digest });
}

/** Each may be an archive, which is a file that stays open until it is written. */
const TARGETS_AT_ONCE = 16;

export type PushDraftOptions = Omit<PushOptions, 'workspace' | 'format' | 'purge' | 'record' | 'now'>;

/** What became of each target; some may have failed beside others. */
export interface DraftPushed {
  readonly encoded: EncodedList;
  readonly pushed: readonly PushedTarget[];
  readonly failures: readonly MlistError[];
}

/**
 * Pushes a draft that need not be in a workspace, and records nothing. Missing attestations are left out.
 * @throws MlistError before anything is written, as `push` does
 */
export async function pushDraft(draft: Draft, state: State, options: PushDraftOptions): Promise<DraftPushed> {
  const targets = targetsOf(draft.list, options.tags ?? [], options.to ?? []);
  const log: TargetLog = options.targets ?? new Map<string, TargetOutcome>();
  for (const reference of targets.flatMap(namesOf)) logTarget(log, { reference, status: 'not-pushed' });
  checkBeforePush(draft, options);
  const logged = { ...options, targets: log };
  const first = await pushEncoded(draft, state, targets, logged);
  const { failures, pushed } = first;
  const entries = pushed.length > 0 ? undefined : withoutAttestations(draft.entries, failures, options.onEvent);
  if (entries === undefined) return first;
  const reduced = { ...draft, entries };
  // The warnings have been reported already, except that the list is now empty.
  checkBeforePush(reduced, entries.length === 0 ? options : { ...options, onEvent: undefined });
  return pushEncoded(reduced, state, targets, logged);
}

async function pushEncoded(
  draft: Draft,
  state: State,
  targets: readonly TargetRepository[],
  options: PushDraftOptions & { readonly targets: TargetLog },
): Promise<DraftPushed> {
  const { stores, signal } = options;
  const encoded = await listBytes(draft, { cache: stores.cache, stores: () => stores, signal });
  expectAccess(draft, targets, stores);
  const settled = await mapLimited(targets, TARGETS_AT_ONCE, (target) =>
    Promise.allSettled([pushToTarget({ draft, encoded, target, state }, options)]),
  );
  const results = settled.flat();
  return {
    encoded,
    pushed: results.flatMap((result, at) =>
      result.status === 'fulfilled' ? result.value : doneIn(options.targets, targets[at]),
    ),
    failures: results.flatMap((result) => (result.status === 'rejected' ? [asMlistError(result.reason)] : [])),
  };
}

function namesOf(target: TargetRepository): readonly string[] {
  return target.tags.map((tag) => targetName(target, tag));
}

/** The names of a target of which others have failed. */
function doneIn(log: TargetLog, target: TargetRepository | undefined): readonly PushedTarget[] {
  return (target === undefined ? [] : namesOf(target)).flatMap((reference) => {
    const status = log.get(reference)?.status;
    return status === 'pushed' || status === 'unchanged' ? [{ reference, status }] : [];
  });
}

/** One token is to serve all repositories that the push will touch. */
function expectAccess(draft: Draft, targets: readonly TargetRepository[], stores: Stores): void {
  const elsewhere = draft.entries.filter((entry) => targets.some((target) => !isStoredIn(entry, target)));
  const locations = [
    ...targets.map(({ location }) => ({ location, push: true })),
    ...elsewhere.map((entry) => ({ location: entry.source, push: false })),
  ];
  stores.registries.expect(
    locations.flatMap(({ location, push }) =>
      location.kind === 'registry' ? [{ reference: location.reference, push }] : [],
    ),
  );
}

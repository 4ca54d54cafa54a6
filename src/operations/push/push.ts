import type { Draft, Format } from '../../draft/draft.ts';
import { contentOfList } from '../../draft/to-list.ts';
import { readState } from '../../draft/workspace/workspace-state.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { SeveralErrors } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { HostUse } from '../../store/registry/host-use.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { chosenList } from '../current-draft.ts';
import { withInterruptionReport } from '../publish/interruption.ts';
import { pushDraft, type DraftPushed } from './push-draft.ts';
import type { PushDraftOptions } from './push-options.ts';
import type { PushedTarget } from './push-target.ts';
import { recompressDraft } from './recompress.ts';
import { purgeDraft, rebaseDraft, recordManifests, recordPush } from './record-push.ts';

export interface PushOptions extends PushDraftOptions {
  readonly workspace: Workspace;
  /** Override the draft's format. */
  readonly format?: Format | undefined;
  /** Remove the draft after a successful push. Default false. */
  readonly purge?: boolean | undefined;
  /** Record the pushed digest of each target in the workspace. Default true. */
  readonly record?: boolean | undefined;
  /** Returns the time to record for the push. Default: the current time. */
  readonly now?: (() => Date) | undefined;
}

export interface Pushed {
  /** Canonical reference of the draft. */
  readonly list: string;
  /** Descriptor of the list that was pushed, or that would be pushed without `dryRun`. */
  readonly descriptor: Descriptor;
  readonly targets: readonly PushedTarget[];
  /** Whether the draft was removed. */
  readonly purged: boolean;
  /** With `dryRun`: the hosts that the push contacts, and the credentials that they receive. */
  readonly hosts?: readonly HostUse[];
}

/**
 * Pushes a draft of the workspace: first the children that a target lacks, then the list, then its tags.
 * @param list - default: the current draft
 * @throws MlistError before anything is written to a target: `ERR_MLIST_LIST_INVALID` with all problems if the list is
 * invalid, `ERR_MLIST_EXPECTATION` if an expected platform is missing, `ERR_MLIST_CONFLICT` if a tag does not have the
 * expected state; later, the errors of all targets that failed
 */
export async function push(list: Reference | undefined, options: PushOptions): Promise<Pushed> {
  return withInterruptionReport(options, (logged) => pushFromWorkspace(list, logged));
}

async function pushFromWorkspace(list: Reference | undefined, options: PushOptions): Promise<Pushed> {
  const { workspace, signal, dryRun = false } = options;
  const chosen = await chosenList(workspace, list);
  const stored = await recompressDraft(await workspace.load(chosen), options);
  const draft: Draft = options.format === undefined ? stored : { ...stored, format: options.format };
  const isFormatOverridden = draft.format !== stored.format;
  const done = await pushDraft(draft, await readState(workspace), { ...options, isFormatOverridden });
  const { encoded, pushed, failures } = done;
  if (!dryRun) await recordPush(chosen, encoded, pushed, options);
  if (!dryRun && options.purge !== true) await recordManifests(stored, done.draft, options);
  if (failures.length > 0) reportUnchanged(done, options);
  signal?.throwIfAborted();
  SeveralErrors.throwAny(failures);
  const purged = options.purge === true && !dryRun && (await purgeDraft(stored, options));
  if (!dryRun && !purged) await rebaseDraft(stored, encoded, pushed, options);
  const { descriptor } = contentOfList(encoded);
  const result = { list: formatReference(chosen), descriptor, targets: pushed, purged };
  return dryRun ? { ...result, hosts: await options.stores.registries.hosts() } : result;
}

/** Reports the tags that already referred to the list, because a failed push returns no result that contains them. */
function reportUnchanged({ encoded: { digest }, pushed }: DraftPushed, { onEvent }: PushOptions): void {
  for (const { reference, status } of pushed)
    if (status === 'unchanged') onEvent?.({ type: 'unchanged', reference, digest });
}

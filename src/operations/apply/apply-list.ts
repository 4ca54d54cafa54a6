import { asMlistError, type MlistError } from '../../errors/errors.ts';
import { contentOfList } from '../../draft/to-list.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { draftFromSpec, type DraftingOptions } from './apply-draft.ts';
import { copy } from '../copy/copy.ts';
import { afterMissing } from '../publish/missing-images.ts';
import { pushDraft } from '../push/push-draft.ts';
import { deduplicateEvents, type OnEvent } from '../events.ts';
import type { PushedTarget } from '../push/push-target.ts';
import type { CopySpec, ListSpec, EntriesSpec } from '../spec/spec.ts';
import { taggedAs, targetName, targetsOf, type TargetRepository } from '../publish/target.ts';
import { waitForSource } from '../source-wait.ts';
import { atDigest, type Location } from '../../oci/location.ts';
import type { SharedTransfers } from '../../transfer/shared-transfers.ts';
import type { TargetLog } from '../../transfer/target-log.ts';

/** This file pushes or copies the list of one spec. */

export interface ApplyListOptions extends DraftingOptions {
  /** The transfers of the whole run. Content that several lists share is sent to a target only once. */
  readonly transfers: SharedTransfers;
  /** Records the outcome for each target of the list. */
  readonly targets: TargetLog;
  readonly dryRun?: boolean | undefined;
  /** Check all content of the list at its targets, and write its tags even if they are up to date. Default false. */
  readonly force?: boolean | undefined;
  /** Allow the list to replace a single image even if it lacks the platform of the image. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Refuse the list if it lacks a platform of a list that it replaces. Default false. */
  readonly expectKept?: boolean | undefined;
}

export type AppliedTarget = Omit<PushedTarget, 'plan'>;

export interface ListOutcome {
  readonly descriptor: Descriptor;
  /** The results without their plans, because a plan keeps the bytes of manifests in memory. */
  readonly targets: readonly AppliedTarget[];
  readonly missing: readonly string[];
  /** The errors of the targets that failed. Other targets may have succeeded. */
  readonly failures: readonly MlistError[];
}

/**
 * Pushes or copies the list of a spec to all its targets. Errors of individual targets are returned as `failures`.
 * @throws MlistError if the manifest of a source cannot be read, or if a list that is built from entries is invalid or
 * incomplete. Then nothing is written
 */
export async function applyList(spec: ListSpec, options: ApplyListOptions): Promise<ListOutcome> {
  const { content } = spec;
  return content.kind === 'copy' ? copyList(spec, content, options) : pushList(spec, content, options);
}

async function pushList(spec: ListSpec, content: EntriesSpec, options: ApplyListOptions): Promise<ListOutcome> {
  const { draft, missing } = await draftFromSpec(spec.list, content, options);
  const { stores, transfers, targets: log, force, dryRun, replaceImage, expectKept, signal, onEvent } = options;
  const { encoded, pushed, failures } = await pushDraft(
    draft,
    { version: 1 },
    {
      stores,
      tags: spec.tags,
      expect: content.expect,
      allowDuplicates: content.allowDuplicates,
      readTags: true,
      transfers,
      targets: log,
      emptyHint: 'Specify at least one image that exists, or remove the spec of this list.',
      afterMissing: afterMissing(
        content.entries.every(({ missing = 'refuse' }) => missing !== 'refuse') ? 'skip' : 'refuse',
      ),
      duplicateHint: 'Specify only one image for each platform, or set "allowDuplicates: true".',
      force,
      dryRun,
      replaceImage,
      expectKept,
      signal,
      onEvent,
    },
  );
  return { descriptor: contentOfList(encoded).descriptor, targets: pushed.map(withoutPlan), missing, failures };
}

function withoutPlan({ reference, status, before, lost }: PushedTarget): AppliedTarget {
  return {
    reference,
    status,
    ...(before === undefined ? {} : { before }),
    ...(lost === undefined ? {} : { lost }),
  };
}

/** Copies a list to its tags one after another, so that later copies find the content at the target. */
async function copyList(
  spec: ListSpec,
  { from, missing, fillFrom }: CopySpec,
  options: ApplyListOptions,
): Promise<ListOutcome> {
  const { stores, signal } = options;
  const { store, name } = await stores.resolveLocation(from, { signal });
  const original = await waitForSource(() => store.resolve(name, { signal }), options);
  let descriptor = original;
  const source = from.kind === 'registry' ? atDigest(from, original.digest) : { ...from, digest: original.digest };
  const reported = deduplicateEvents(options.onEvent, ['warning', 'note', 'left', 'origin', 'filled']);
  const onEvent: OnEvent = (event) => event.type === 'from' || reported(event);
  const copying = { ...options, missing, fillFrom, onEvent };
  const targets: AppliedTarget[] = [];
  const failures: MlistError[] = [];
  for (const target of targetsOf(spec.list, spec.tags, [])) {
    for (const tag of target.tags) {
      try {
        const outcome = await copyTo(source, target, tag, copying);
        targets.push(outcome.target);
        descriptor = outcome.descriptor;
      } catch (thrown) {
        failures.push(asMlistError(thrown));
      }
    }
  }
  return { descriptor, targets, missing: [], failures };
}

async function copyTo(
  source: Location,
  target: TargetRepository,
  tag: string,
  options: ApplyListOptions & Pick<CopySpec, 'missing' | 'fillFrom'>,
): Promise<{ readonly target: AppliedTarget; readonly descriptor: Descriptor }> {
  const reference = targetName(target, tag);
  const { status, descriptor, ...copied } = await copy(source, taggedAs(target.location, tag), options);
  const pushed = withoutPlan({ ...copied, reference, status: status === 'copied' ? 'pushed' : status });
  return { target: pushed, descriptor };
}

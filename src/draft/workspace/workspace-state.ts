import { join } from 'node:path';
import { writeFileAtomic } from '../../fs/atomic.ts';
import { withLock } from '../../fs/lock.ts';
import type { Digest } from '../../oci/digest.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { checkStateDocument } from '../../schema/workspace-documents.ts';
import { MlistError } from '../../errors/errors.ts';
import { shownText, storedText } from '../../oci/stored-location.ts';
import { readIfExists, type Workspace } from './workspace.ts';

/** The local state of a workspace: the current draft, and the last pushes. */
export interface State {
  readonly version: 1;
  /** Canonical reference of the current draft. */
  readonly current?: string;
  /** The last push of each draft to each target, keyed by the draft's reference and then by the target. */
  readonly pushes?: Readonly<Record<string, Readonly<Record<string, Push>>>>;
}

export interface Push {
  readonly digest: Digest;
  /** The time of the push (RFC 3339). */
  readonly at: string;
}

export async function readState(workspace: Workspace): Promise<State> {
  const path = pathOf(workspace);
  const bytes = readIfExists(path);
  if (bytes === undefined) return { version: 1 };
  const checked = await checkStateDocument(bytes);
  if ('value' in checked)
    return withTargets(checked.value as unknown as State, (target) => shownText(target, workspace.folders));
  throw new MlistError('ERR_MLIST_DRAFT_DAMAGED', `${path} is damaged: ${checked.problems[0]?.message ?? ''}`, {
    path,
    problems: checked.problems,
    hint: 'Remove the file. It stores only which draft is current, and the last push of each draft to each target.',
  });
}

/** Changes the state while its lock is held. Writes nothing if `change` returns an equal state. */
export async function updateState(workspace: Workspace, change: (state: State) => State): Promise<void> {
  await workspace.create();
  await withLock(
    join(workspace.folder, 'locks', 'state.lock'),
    async (lock) => {
      const before = await readState(workspace);
      const textOf = (state: State) =>
        JSON.stringify(
          withTargets(state, (target) => storedText(target, workspace.folders)),
          undefined,
          2,
        );
      const after = textOf(change(before));
      if (after !== textOf(before)) await writeFileAtomic(pathOf(workspace), after, { lock });
    },
    { subject: `the state of ${workspace.folder}` },
  );
}

/** Converts the paths in the targets of pushes. state.json stores these paths in the same form as draft files. */
function withTargets({ pushes, ...rest }: State, convert: (target: string) => string): State {
  if (pushes === undefined) return rest;
  const converted = Object.entries(pushes).map(([list, targets]) => [
    list,
    Object.fromEntries(Object.entries(targets).map(([target, push]) => [convert(target), push])),
  ]);
  return { ...rest, pushes: Object.fromEntries(converted) as NonNullable<State['pushes']> };
}

function pathOf(workspace: Workspace): string {
  return join(workspace.folder, 'state.json');
}

export function withCurrent(state: State, list: Reference): State {
  return { ...state, current: formatReference(list) };
}

/** Returns the state without a deleted draft and its pushes. */
export function withoutDraft(state: State, list: Reference): State {
  const removed = formatReference(list);
  const { current, pushes = {}, ...rest } = state;
  const others = Object.fromEntries(Object.entries(pushes).filter(([name]) => name !== removed));
  return {
    ...rest,
    ...(current === undefined || current === removed ? {} : { current }),
    ...(Object.keys(others).length === 0 ? {} : { pushes: others }),
  };
}

/** Returns the last push of a draft to each target, keyed by the target. Undefined if the draft was never pushed. */
export function pushesOf({ pushes }: State, list: Reference): Readonly<Record<string, Push>> | undefined {
  return pushes?.[formatReference(list)];
}

export function withPush(state: State, list: Reference, target: string, push: Push): State {
  const own = { ...pushesOf(state, list), [target]: push };
  return { ...state, pushes: { ...state.pushes, [formatReference(list)]: own } };
}

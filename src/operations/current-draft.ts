import { MlistError } from '../errors/errors.ts';
import { readState } from '../draft/workspace/workspace-state.ts';
import type { Workspace } from '../draft/workspace/workspace.ts';
import { parseStoredName } from '../draft/workspace/draft-file.ts';
import type { Reference } from '../oci/reference.ts';

/**
 * The list that a command works on: the given one, or else the current draft.
 * @throws MlistError `ERR_MLIST_NO_CURRENT_DRAFT`
 */
export async function chosenList(workspace: Workspace, list: Reference | undefined): Promise<Reference> {
  return list ?? currentList(workspace);
}

/**
 * The list of the current draft.
 * @throws MlistError `ERR_MLIST_NO_CURRENT_DRAFT`
 */
export async function currentList(workspace: Workspace): Promise<Reference> {
  const { current } = await readState(workspace);
  if (current !== undefined) return parseStoredName(current);
  throw new MlistError('ERR_MLIST_NO_CURRENT_DRAFT', 'no list is named, and there is no current draft', {
    path: workspace.folder,
    hint: 'Name the list, or choose one with "mlist use LIST".',
  });
}

import { MlistError } from '../errors/errors.ts';
import { readState } from '../draft/workspace/workspace-state.ts';
import type { Workspace } from '../draft/workspace/workspace.ts';
import { parseStoredName } from '../draft/workspace/draft-file.ts';
import type { Reference } from '../oci/reference.ts';

/**
 * Returns the given list or, if `list` is undefined, the list of the current draft.
 * @throws MlistError `ERR_MLIST_NO_CURRENT_DRAFT` if `list` is undefined and there is no current draft
 */
export async function chosenList(workspace: Workspace, list: Reference | undefined): Promise<Reference> {
  return list ?? currentList(workspace);
}

/**
 * Returns the list of the current draft.
 * @throws MlistError `ERR_MLIST_NO_CURRENT_DRAFT` if there is no current draft
 */
export async function currentList(workspace: Workspace): Promise<Reference> {
  const { current } = await readState(workspace);
  if (current !== undefined) return parseStoredName(current);
  throw new MlistError('ERR_MLIST_NO_CURRENT_DRAFT', 'no list is specified, and there is no current draft', {
    path: workspace.folder,
    hint: 'Specify the list, or select a draft with "mlist use LIST".',
  });
}

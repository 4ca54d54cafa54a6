import type { BlobCache } from '../../store/cache.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';

/**
 * Requires that the manifests of a draft are cached in its workspace, so that the draft can be pushed after its sources
 * have been deleted. A draft in a temporary workspace does not need this: it uses the cache of another workspace only
 * as an optimisation.
 * @throws MlistError `ERR_MLIST_FILE` if the cache of the workspace could not be written
 */
export function requireCachedContent(workspace: Workspace, cache: BlobCache): void {
  if (workspace.folder === cache.workspaceFolder) cache.requireWritten();
}

import type { BlobCache } from '../../store/cache.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';

/**
 * Requires the manifests of a draft to be cached in its workspace, so that it can be pushed after its sources are gone.
 * The cache of another workspace is only an optimisation: drafts in temporary workspaces do not require it.
 * @throws MlistError `ERR_MLIST_FILE` if the cache of the workspace could not be written
 */
export function requireCachedContent(workspace: Workspace, cache: BlobCache): void {
  if (workspace.folder === cache.workspaceFolder) cache.requireWritten();
}

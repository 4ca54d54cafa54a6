import type { BlobCache } from '../../store/cache.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';

/**
 * A draft is written only where the copies lie with it that it rests on, so that it can be pushed when its sources are
 * gone. To all other work the cache is a gain of speed: also to drafts in a workspace of their own that is soon gone.
 * @throws MlistError `ERR_MLIST_FILE` where the workspace's cache could not be written
 */
export function requireCachedContent(workspace: Workspace, cache: BlobCache): void {
  if (workspace.folder === cache.workspaceFolder) cache.requireWritten();
}

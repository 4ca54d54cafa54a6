import type { Workspace } from '../draft/workspace/workspace.ts';
import type { Reference } from '../oci/reference.ts';
import type { OnEvent } from './events.ts';

/** The workspace of a draft that is created or edited, and the receiver of events. */
export interface DraftTarget {
  readonly workspace: Workspace;
  readonly onEvent?: OnEvent | undefined;
}

/** The workspace in which a draft is edited, and the parts of an edit that depend on whether the edit is pushed. */
export interface EditTarget extends DraftTarget {
  /**
   * Resolves a MANIFEST argument to one that selects an entry of the draft. If the edit is pushed, the tag of an image
   * is resolved to its digest in the registry. Otherwise, the argument is returned unchanged.
   */
  readonly resolveManifest: (manifest: string) => Promise<string>;
  /**
   * Reports the result of the edit. If the edit is stored in the user's workspace, `report` is called at once. If it
   * exists only in a temporary workspace, `report` is called when the push emits its first event or completes, so that
   * an edit that is discarded is not reported.
   */
  readonly whenAccepted: (report: () => void) => void;
}

/**
 * Returns the target for an edit of a draft in the workspace. The edit is reported at once, and its MANIFEST arguments
 * are not looked up in a registry.
 */
export function editDraft({ workspace, onEvent }: DraftTarget): EditTarget {
  return {
    workspace,
    onEvent,
    resolveManifest: (manifest) => Promise.resolve(manifest),
    whenAccepted: (report) => report(),
  };
}

export type DraftEdit<T> = (list: Reference, place: EditTarget) => Promise<T>;

import type { Workspace } from '../draft/workspace/workspace.ts';
import type { Reference } from '../oci/reference.ts';
import type { OnEvent } from './events.ts';

/** The workspace of a draft that is created, and the receiver of events. */
export interface DraftTarget {
  readonly workspace: Workspace;
  readonly onEvent?: OnEvent | undefined;
}

/** The workspace of a draft that is edited. */
export interface EditTarget extends DraftTarget {
  /**
   * Resolves a MANIFEST argument to the name of an entry. An edit with a push also resolves tags at the registry;
   * otherwise the argument is returned unchanged.
   */
  readonly resolveManifest: (manifest: string) => Promise<string>;
  /**
   * Calls `report` for the edit: at once or, if a failed push would discard the edit, after the push has been accepted.
   */
  readonly whenAccepted: (report: () => void) => void;
}

/** The target of an edit in the workspace. The edit is reported at once, and sends no requests to registries. */
export function editDraft({ workspace, onEvent }: DraftTarget): EditTarget {
  return {
    workspace,
    onEvent,
    resolveManifest: (manifest) => Promise.resolve(manifest),
    whenAccepted: (report) => report(),
  };
}

export type DraftEdit<T> = (list: Reference, place: EditTarget) => Promise<T>;

import type { Workspace } from '../draft/workspace/workspace.ts';
import type { Reference } from '../oci/reference.ts';
import type { OnEvent } from './events.ts';

/** Where a draft lies or is to lie, and whom its making tells. */
export interface DraftTarget {
  readonly workspace: Workspace;
  readonly onEvent?: OnEvent | undefined;
}

/** Where an edit finds its draft. */
export interface EditTarget extends DraftTarget {
  /** What a MANIFEST argument means: what it says; with a push also what registries know by that name. */
  readonly named: (manifest: string) => Promise<string>;
  /** Runs what tells of the edit: at once, or where a refused push undoes the edit, when the push is no longer refused. */
  readonly whenAccepted: (tell: () => void) => void;
}

/** The place of an edit of a draft that stays: it tells at once, and asks no registry what an argument means. */
export function editDraft({ workspace, onEvent }: DraftTarget): EditTarget {
  return { workspace, onEvent, named: (manifest) => Promise.resolve(manifest), whenAccepted: (tell) => tell() };
}

export type DraftEdit<T> = (list: Reference, place: EditTarget) => Promise<T>;

import { shownText, storedText, type Folders } from '../../oci/stored-location.ts';
import type { Draft } from '../draft.ts';

/** A draft with its paths as they are stored. */
export function storedDraft(draft: Draft, folders: Folders): Draft {
  return turnedDraft(draft, (text) => storedText(text, folders), folders);
}

/** A draft with its paths as people see them. */
export function shownDraft(draft: Draft, folders: Folders): Draft {
  return turnedDraft(draft, (text) => shownText(text, folders), folders);
}

function turnedDraft(draft: Draft, turn: (text: string) => string, { cwd, root }: Folders): Draft {
  if (cwd === root) return draft;
  const { base, entries } = draft;
  return {
    ...draft,
    ...(base === undefined ? {} : { base: { ...base, ref: turn(base.ref) } }),
    entries: entries.map((entry) => ({ ...entry, source: turn(entry.source) })),
  };
}

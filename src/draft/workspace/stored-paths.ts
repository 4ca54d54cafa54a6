import { shownText, storedText, type Folders } from '../../oci/stored-location.ts';
import type { Draft } from '../draft.ts';

/** A draft with its paths as they are stored. */
export function storedDraft(draft: Draft, folders: Folders): Draft {
  return convertDraft(draft, (text) => storedText(text, folders), folders);
}

/** A draft with its paths relative to the current folder. */
export function shownDraft(draft: Draft, folders: Folders): Draft {
  return convertDraft(draft, (text) => shownText(text, folders), folders);
}

function convertDraft(draft: Draft, convert: (text: string) => string, { cwd, root }: Folders): Draft {
  if (cwd === root) return draft;
  const { base, entries } = draft;
  return {
    ...draft,
    ...(base === undefined ? {} : { base: { ...base, ref: convert(base.ref) } }),
    entries: entries.map((entry) => ({ ...entry, source: convert(entry.source) })),
  };
}

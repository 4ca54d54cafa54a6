import type { Location } from '../../oci/location.ts';
import { shownLocation, storedLocation, type Folders } from '../../oci/stored-location.ts';
import type { Draft } from '../draft.ts';

/** Returns the draft with its paths in the form in which draft files store them; see `storedLocation`. */
export function storedDraft(draft: Draft, folders: Folders): Draft {
  return convertDraft(draft, (location) => storedLocation(location, folders), folders);
}

/** Reverses `storedDraft`: relative paths in the returned draft are relative to the current folder. */
export function shownDraft(draft: Draft, folders: Folders): Draft {
  return convertDraft(draft, (location) => shownLocation(location, folders), folders);
}

function convertDraft(draft: Draft, convert: (location: Location) => Location, { cwd, root }: Folders): Draft {
  if (cwd === root) return draft;
  const { base, entries } = draft;
  return {
    ...draft,
    ...(base === undefined ? {} : { base: { ...base, ref: convert(base.ref) } }),
    entries: entries.map((entry) => ({
      ...entry,
      source: convert(entry.source),
      ...(entry.fill === undefined ? {} : { fill: entry.fill.map(convert) }),
    })),
  };
}

import { isUnpushed, listName, platformOf, sourceName, type Draft, type Entry } from '../../draft/draft.ts';
import type { EntryEvent } from '../../draft/merge.ts';
import { formatLocation } from '../../oci/location.ts';
import { withPlatformForms } from './platform-forms.ts';

/** Converts an entry for the `--json` output: schemas/output/entry.schema.json. */
export function entryDocument(entry: Entry): object {
  const { mediaType, digest, size, attests, image, fill } = entry;
  const stated = isUnpushed(entry) ? {} : { mediaType, digest, size };
  return withPlatformForms({
    source: sourceName(entry),
    image: image?.id,
    fill: fill?.map(formatLocation),
    ...stated,
    platform: platformOf(entry),
    attests,
  });
}

export function changeDocument(change: EntryEvent): object {
  return {
    type: change.type,
    ...entryDocument(change.entry),
    old: change.type === 'replaced' ? change.old : undefined,
  };
}

export function draftDocument(draft: Draft): object {
  return { ref: listName(draft), format: draft.format, entries: draft.entries.map(entryDocument) };
}

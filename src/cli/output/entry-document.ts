import { platformOf, type Draft, type Entry } from '../../draft/draft.ts';
import type { EntryEvent } from '../../draft/merge.ts';

/** An entry in the `--json` output: schemas/output/entry.schema.json. */
export function entryDocument(entry: Entry): object {
  const { source, mediaType, digest, size, attests } = entry;
  return { source, mediaType, digest, size, platform: platformOf(entry), attests };
}

export function changeDocument(change: EntryEvent): object {
  return {
    type: change.type,
    ...entryDocument(change.entry),
    old: change.type === 'replaced' ? change.old : undefined,
  };
}

export function draftDocument(draft: Draft): object {
  return { ref: draft.list, format: draft.format, entries: draft.entries.map(entryDocument) };
}

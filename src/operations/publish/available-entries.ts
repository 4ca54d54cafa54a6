import { descriptorOf, type Entry } from '../../draft/draft.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { Origin } from '../../store/completed-store.ts';
import type { ContentOptions, ReadStore } from '../../store/store.ts';
import type { MissingState } from '../../transfer/missing-content.ts';
import type { OperationEvent } from '../events.ts';
import { originsAmong, type MissingChoice } from './fill.ts';
import { findMissing, isComposite, missingParts, survey, type Survey } from './find-missing.ts';
import { omitMissing } from './missing-images.ts';

/** This file determines which entries of an index can be read, and from which locations. */

/** An index whose entries are added to a draft. */
export interface IndexSource {
  readonly source: string;
  readonly store: ReadStore;
  /** All entries of the index. */
  readonly entries: readonly Entry[];
  /**
   * The entries that were missing when the index was read. `availableEntries` adds the missing entries that it finds.
   */
  readonly missing: Map<Digest, MissingState>;
  /** Other sources with the same index, from which the store reads missing content. Default: none. */
  readonly parts?: readonly Origin[] | undefined;
}

export interface SourceOptions extends ContentOptions {
  readonly missing?: MissingChoice | undefined;
  /** The requested platforms; undefined if the command has no option `--platform`. */
  readonly platforms?: readonly Platform[] | undefined;
}

/**
 * Returns the selected entries with the locations of their content (see `placedEntry`). Missing entries are left out if
 * the options allow it.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if entries are missing and must not be left out
 */
export async function availableEntries(
  selected: readonly Entry[],
  { source, store, entries, missing, parts }: IndexSource,
  { missing: choice, platforms, signal }: SourceOptions,
): Promise<{ readonly available: readonly Entry[]; readonly events: readonly OperationEvent[] }> {
  const options = { store, reference: source, missing: choice, canChoose: platforms !== undefined, signal };
  const surveys = isComposite(store)
    ? await Promise.all(selected.map((entry) => survey(store, descriptorOf(entry), { signal })))
    : [];
  for (const [at, { lacking }] of surveys.entries()) {
    const digest = selected[at]?.digest;
    if (digest !== undefined && lacking.length > 0)
      missing.set(digest, lacking.includes(digest) ? 'absent' : 'incomplete');
  }
  if (!isComposite(store)) {
    for (const [digest, state] of await findMissing(() => selected.map(descriptorOf), options))
      missing.set(digest, state);
  }
  const placed = await Promise.all(
    selected.map((entry, at) => placedEntry(entry, surveys[at], { store, parts, signal })),
  );
  if (missing.size === 0) return { available: placed, events: [] };
  const byDescriptor = new Map(placed.map((entry) => [descriptorOf(entry), entry]));
  const { omitted, events } = await omitMissing([...byDescriptor.keys()], missing, entries.map(descriptorOf), options);
  return {
    available: [...byDescriptor].flatMap(([descriptor, entry]) => (omitted.has(descriptor) ? [] : [entry])),
    events,
  };
}

interface Placing extends Pick<IndexSource, 'store' | 'parts'>, ContentOptions {}

/**
 * Returns the entry with the locations of its content. If its source has all of the content, or no other store has the
 * rest, the entry is unchanged. If another source of the same index has all of the content, the entry gets that source.
 * Otherwise, `fill` lists the locations of the content that the source lacks.
 */
export async function placedEntry(
  entry: Entry,
  found: Survey | undefined,
  { store, parts = [], signal }: Placing,
): Promise<Entry> {
  const origins = found === undefined ? [] : await originsAmong(store, found.holders);
  if (origins.length === 0) return entry;
  for (const part of parts) {
    if (!origins.includes(part)) continue;
    const isAlone = found?.holders.size === 1;
    const isComplete =
      part.store.storedSize !== undefined &&
      (await missingParts(part.store, descriptorOf(entry), { signal })).length === 0;
    if (isAlone || isComplete) return { ...entry, source: part.location };
  }
  return { ...entry, fill: origins.map(({ location }) => location) };
}

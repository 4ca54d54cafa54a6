import { MlistError } from '../errors.ts';
import { descriptorOf, type Entry } from '../draft/draft.ts';
import type { ContentOptions } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { OperationEvent } from './events.ts';
import type { Home } from './homes.ts';
import {
  findMissing,
  listed,
  missingParts,
  settleMissing,
  type MissingChoice,
  type MissingState,
} from './missing-images.ts';

/** Sources that do not have everything that they list. */

export interface IndexSource {
  readonly source: string;
  readonly home: Home;
  /** All entries of the index. */
  readonly entries: readonly Entry[];
  /** What was missing when it was read. Further missing entries are added. */
  readonly missing: Map<Digest, MissingState>;
}

export interface SourceOptions extends ContentOptions {
  readonly missing?: MissingChoice | undefined;
  /** Undefined if the command has no `--platform`. */
  readonly platforms?: readonly Platform[] | undefined;
}

/**
 * The wanted entries without those that are missing and may be left out.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` for missing images
 */
export async function availableEntries(
  wanted: readonly Entry[],
  { source, home, entries, missing }: IndexSource,
  { missing: choice, platforms, signal }: SourceOptions,
): Promise<{ readonly there: readonly Entry[]; readonly events: readonly OperationEvent[] }> {
  const options = { home, reference: source, missing: choice, canChoose: platforms !== undefined, signal };
  for (const [digest, state] of await findMissing(() => wanted.map(descriptorOf), options)) missing.set(digest, state);
  if (missing.size === 0) return { there: wanted, events: [] };
  const pairs = wanted.map((entry) => ({ entry, descriptor: descriptorOf(entry) }));
  const { gone, events } = await settleMissing(
    pairs.map(({ descriptor }) => descriptor),
    missing,
    entries.map(descriptorOf),
    options,
  );
  return { there: pairs.flatMap(({ entry, descriptor }) => (gone.has(descriptor) ? [] : [entry])), events };
}

/**
 * Requires an image, or an index that is listed itself, to be complete in a layout or an archive.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`
 */
export async function requireParts(
  descriptor: Descriptor,
  source: string,
  home: Home,
  { signal }: ContentOptions,
): Promise<void> {
  const parts = await missingParts(home, descriptor, { signal });
  if (parts.length === 0) return;
  const digests = listed(parts.map(({ digest }) => digest));
  throw new MlistError('ERR_MLIST_NOT_FOUND', `${source} is incomplete: it lacks ${digests}`, { reference: source });
}

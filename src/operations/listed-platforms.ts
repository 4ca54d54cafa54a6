import { descriptorOf, type Draft } from '../draft/draft.ts';
import { pointerTo } from '../json/pointer.ts';
import { isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { isIndexType } from '../oci/media-type.ts';
import { isUnknownPlatform, type Platform } from '../oci/platform/platform.ts';
import { effectivePlatform, type Candidate } from '../selection/candidates.ts';
import type { LookupResult, ReadOptions } from './lookup.ts';
import { readCandidates } from './read-candidates.ts';

/**
 * The platform of an image, and the JSON pointer to the list entry of the image, or of the nested index that contains
 * it. The pointer is empty for a single image.
 */
export interface PlacedPlatform {
  readonly platform: Platform;
  readonly pointer: string;
}

/**
 * Returns the platforms of all images of a draft, or of the content at a location. For a draft, these are the platforms
 * that its entries state, as for `push --expect`. At a location, nested indexes are read, too, and the platform of an
 * image that is listed without one is read from its config.
 */
export async function listedPlatforms(found: LookupResult, options: ReadOptions): Promise<readonly PlacedPlatform[]> {
  if (found.from === 'draft') return platformsOfDraft(found.draft);
  const { entries, mediaType } = await readCandidates(found, options);
  const isList = isIndexType(mediaType);
  return entries.flatMap((entry, at) => {
    const pointer = isList ? pointerTo('manifests', at) : '';
    return platformsIn(entry).map((platform) => ({ platform, pointer }));
  });
}

export function platformsOfDraft({ entries }: Draft): readonly PlacedPlatform[] {
  return platformsOfEntries(entries.map(descriptorOf));
}

/** Returns the platforms that the entries of a list state. Attestations and unknown platforms are skipped. */
export function platformsOfEntries(entries: readonly Descriptor[]): readonly PlacedPlatform[] {
  return entries.flatMap((entry, at) => {
    const { platform } = entry;
    if (isAttestation(entry) || platform === undefined || isUnknownPlatform(platform)) return [];
    return [{ platform, pointer: pointerTo('manifests', at) }];
  });
}

function platformsIn(entry: Candidate): readonly Platform[] {
  if (isAttestation(entry.descriptor)) return [];
  const platform = effectivePlatform(entry);
  if (platform === undefined) return (entry.entries ?? []).flatMap(platformsIn);
  return isUnknownPlatform(platform) ? [] : [platform];
}

import { descriptorOf, type Draft } from '../draft/draft.ts';
import { pointerTo } from '../json/pointer.ts';
import { isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { isIndexType } from '../oci/media-type.ts';
import { isUnknownPlatform, type Platform } from '../oci/platform/platform.ts';
import { effectivePlatform, type Candidate } from '../selection/candidates.ts';
import type { LookupResult, ReadOptions } from './lookup.ts';
import { readCandidates } from './read-candidates.ts';

/** The platform of an image, and the JSON pointer of its entry in the list; empty for a single image. */
export interface PlacedPlatform {
  readonly platform: Platform;
  readonly pointer: string;
}

/**
 * The platforms of the images of a draft or at a location. Those of a draft are the ones that `push --expect` compares.
 * At a location, nested indexes are read, and the configs of images that are listed without a platform.
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

/** The platforms that the entries of a list state. */
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

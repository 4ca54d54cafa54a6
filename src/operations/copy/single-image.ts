import { MlistError } from '../../errors/errors.ts';
import { isAttestation } from '../../oci/descriptor.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import { readIndex } from '../../schema/documents.ts';
import type { ContentOptions, ContentReader, EngineTargetFacts } from '../../store/store.ts';
import { omissionEvents } from '../events.ts';
import { omissionOf } from '../omissions.ts';
import type { Filtered } from './copy-filter.ts';

interface SingleImageOptions extends ContentOptions {
  /** The source of the copy, for messages. */
  readonly reference: string;
}

/**
 * Returns the only image of a list, for engines that cannot store lists. Attestations are left out. Content that is not
 * a list is returned unchanged.
 * @throws MlistError `ERR_MLIST_USAGE` if the list does not have exactly one image, because the engine would choose one
 * of several images by the platform of its host
 */
export async function singleImage(
  filtered: Filtered,
  source: ContentReader,
  engine: EngineTargetFacts,
  { reference, signal }: SingleImageOptions,
): Promise<Filtered> {
  const { descriptor, bytes } = filtered.content;
  if (!isIndexType(descriptor.mediaType)) return filtered;
  const { manifests } = readIndex(bytes, descriptor.mediaType, reference);
  const images = manifests.filter((entry) => !isAttestation(entry));
  const [image, ...others] = images;
  if (image === undefined || others.length > 0 || !isManifestType(image.mediaType)) {
    const platforms = images.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]));
    throw severalImages(reference, engine, [...new Set(platforms)]);
  }
  const content = await source.fetchManifest(image.digest, { expected: image, signal });
  const omissions = manifests
    .filter(isAttestation)
    .map((entry) => omissionOf('attestation', entry, 'the engine can store only single images'));
  return {
    content,
    omissions: [...filtered.omissions, ...omissions],
    events: [...filtered.events, ...omissionEvents(omissions)],
  };
}

function severalImages(reference: string, { name }: EngineTargetFacts, platforms: readonly string[]): MlistError {
  const choice = platforms.length === 0 ? '' : `: ${platforms.join(', ')}`;
  return new MlistError(
    'ERR_MLIST_USAGE',
    `cannot load ${reference}: it is a list, and ${name} can store only single images`,
    {
      reference,
      hint:
        `Select one image by its platform${choice}. ` +
        'The whole list can be loaded into a Docker engine with the containerd image store, or copied to a registry.',
    },
  );
}

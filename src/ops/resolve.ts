import { MlistError } from '../errors.ts';
import { isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { isIndexType } from '../oci/media-type.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { selectPlatform } from '../oci/platform-select.ts';
import { readIndex } from '../schema/document.ts';
import { contentOf, find, type Found, type ReadOptions } from './read.ts';

export interface ResolvedManifest {
  readonly from: Found['from'];
  readonly reference: string;
  /** The manifest that a client ends up with. */
  readonly descriptor: Descriptor;
}

/**
 * The manifest that a client picks: for a platform the best entry of a list as containerd chooses, else the list itself.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`
 */
export async function resolve(
  name: string | undefined,
  platform: Platform | undefined,
  options: ReadOptions,
): Promise<ResolvedManifest> {
  const found = await find(name, options);
  const { descriptor, bytes } = contentOf(found);
  const facts = { from: found.from, reference: found.reference };
  if (platform === undefined || !isIndexType(descriptor.mediaType)) return { ...facts, descriptor };
  const { manifests } = readIndex(bytes, descriptor.mediaType, found.reference);
  const picked = selectPlatform(
    manifests.filter((entry) => !isAttestation(entry)),
    platform,
  );
  if (picked !== undefined) return { ...facts, descriptor: picked };
  const there = manifests.flatMap((entry) =>
    entry.platform === undefined || isAttestation(entry) ? [] : [formatPlatform(entry.platform, { all: true })],
  );
  throw new MlistError(
    'ERR_MLIST_PLATFORM_NOT_FOUND',
    `${found.reference} has no image that ${formatPlatform(platform, { all: true })} can run`,
    {
      reference: found.reference,
      hint: there.length === 0 ? undefined : `There are: ${there.join(', ')}.`,
    },
  );
}

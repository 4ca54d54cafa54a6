import { MlistError } from '../errors.ts';
import { missedPlatform } from '../draft/select.ts';
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
  /** What it was picked for; not there where there was nothing to pick from. */
  readonly platform?: Platform;
}

export interface ResolveOptions extends ReadOptions {
  /** Nobody asked for the platform: where it decides, that is told. Default false. */
  readonly isAssumed?: boolean | undefined;
}

/**
 * The manifest that a client picks: for a platform the best entry of a list as containerd chooses, else the list itself.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`
 */
export async function resolve(
  name: string | undefined,
  platform: Platform | undefined,
  options: ResolveOptions,
): Promise<ResolvedManifest> {
  const found = await find(name, options);
  const { descriptor, bytes } = contentOf(found);
  const facts = { from: found.from, reference: found.reference };
  if (platform === undefined || !isIndexType(descriptor.mediaType)) return { ...facts, descriptor };
  const text = formatPlatform(platform, { all: true });
  if (options.isAssumed === true)
    options.onEvent?.({ type: 'note', message: `for ${text}, as this machine is: choose another with --platform` });
  const { manifests } = readIndex(bytes, descriptor.mediaType, found.reference);
  const picked = selectPlatform(
    manifests.filter((entry) => !isAttestation(entry)),
    platform,
  );
  if (picked !== undefined) return { ...facts, descriptor: picked, platform };
  const there = manifests.flatMap((entry) => (isAttestation(entry) ? [] : (entry.platform ?? [])));
  const names = there.map((one) => formatPlatform(one, { all: true })).join(', ');
  throw new MlistError(
    'ERR_MLIST_PLATFORM_NOT_FOUND',
    `${found.reference} has no image that ${missedPlatform(platform, there)} can run`,
    {
      reference: found.reference,
      hint: names === '' ? undefined : `There are: ${names}.`,
    },
  );
}

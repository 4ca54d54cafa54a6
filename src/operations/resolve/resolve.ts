import { MlistError } from '../../errors/errors.ts';
import { matchesPlatform, platformNotFoundText } from '../../draft/entry-selection.ts';
import { selectAsContainerd, rankCandidates } from '../../selection/containerd.ts';
import { effectivePlatform, imagesOf, type CandidateList } from '../../selection/candidates.ts';
import { isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatPlatform, isUnknownPlatform, type Platform } from '../../oci/platform/platform.ts';
import { platformsOfSingle } from '../image-platforms.ts';
import { readCandidates } from '../read-candidates.ts';
import { availableHint } from '../require-platforms.ts';
import { contentOf, lookup, mirrorIn, type LookupResult, type ReadOptions } from '../lookup.ts';

export interface ResolvedManifest {
  readonly from: LookupResult['from'];
  readonly reference: string;
  /** The manifest that a client gets. */
  readonly descriptor: Descriptor;
  /** The platform for which the manifest was selected; undefined if it is the list itself or a single image. */
  readonly platform?: Platform;
  /** The mirror that resolved the tag, unless the registry has confirmed the digest. */
  readonly mirror?: string;
}

export interface ResolveOptions extends ReadOptions {
  /**
   * Whether `platform` is the platform of this machine because none was requested. If the result depends on the
   * platform, a note reports the platform. Default false.
   */
  readonly isAssumed?: boolean | undefined;
}

/**
 * Returns the manifest that a client gets: the image that containerd selects for the platform, as in `explain`, or the
 * list itself. Only entries that containerd may select are read.
 * @param platform - the requested platform; undefined for the list itself
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if containerd selects no image, or cannot pull the selected one
 */
export async function resolve(
  name: string | undefined,
  platform: Platform | undefined,
  options: ResolveOptions,
): Promise<ResolvedManifest> {
  const found = await lookup(name, options);
  const { descriptor } = contentOf(found);
  const facts = { from: found.from, reference: found.reference, ...mirrorIn(found) };
  if (platform === undefined) return { ...facts, descriptor };
  if (!isIndexType(descriptor.mediaType)) {
    if (options.isAssumed !== true) await warnOfOtherPlatform(found, platform, options);
    return { ...facts, descriptor };
  }
  const text = formatPlatform(platform, { all: true });
  if (options.isAssumed === true) {
    options.onEvent?.({
      type: 'note',
      message: `using ${text}, the platform of this machine; choose another with --platform`,
    });
  }
  const opens = (entry: Descriptor) => rankCandidates([{ place: '1', descriptor: entry }], platform, false).length > 0;
  const list = await readCandidates(found, { ...options, opens });
  const { selected, why, reason } = selectAsContainerd(list, { platform });
  if (selected !== undefined) return { ...facts, descriptor: selected.descriptor, platform };
  const available = platformsOf(list);
  const message =
    why === 'none'
      ? `${found.reference} has no image that runs on ${platformNotFoundText(platform, available)}`
      : `containerd cannot pull an image for ${text} from ${found.reference}: ${reason}`;
  throw new MlistError('ERR_MLIST_PLATFORM_NOT_FOUND', message, {
    reference: found.reference,
    hint: availableHint(available),
  });
}

/** Warns if a single image is for another platform than the requested one. Clients would pull it without an error. */
async function warnOfOtherPlatform(found: LookupResult, platform: Platform, options: ResolveOptions): Promise<void> {
  const [own] = (await platformsOfSingle(found, options)) ?? [];
  if (own === undefined || matchesPlatform(own, platform)) return;
  const [ownText, requested] = [own, platform].map((value) => formatPlatform(value, { all: true }));
  const message = `${found.reference} is a single image for ${ownText}, not for ${requested}: clients pull it anyway`;
  options.onEvent?.({ type: 'warning', message });
}

/** Returns the known platforms of the images in a list. */
function platformsOf({ entries }: CandidateList): readonly Platform[] {
  return imagesOf(entries).flatMap((entry) => {
    const platform = isAttestation(entry.descriptor) ? undefined : effectivePlatform(entry);
    return platform === undefined || isUnknownPlatform(platform) ? [] : [platform];
  });
}

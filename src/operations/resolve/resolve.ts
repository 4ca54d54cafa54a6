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
  /** The platform that it was selected for; undefined if it is a list or a single image. */
  readonly platform?: Platform;
  /** The mirror that has resolved the tag, unless the registry has confirmed it. */
  readonly mirror?: string;
}

export interface ResolveOptions extends ReadOptions {
  /**
   * Whether the platform is that of this machine instead of a requested one. If the result depends on it, a note
   * reports it. Default false.
   */
  readonly isAssumed?: boolean | undefined;
}

/**
 * The manifest that a client selects: with a platform, the image that containerd selects, as in `explain`; without one,
 * the list itself. Only entries that containerd may select are read.
 * @param platform - undefined for the list itself
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`
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
  if (options.isAssumed === true) {
    const text = formatPlatform(platform, { all: true });
    options.onEvent?.({
      type: 'note',
      message: `for ${text}, the platform of this machine; choose another with --platform`,
    });
  }
  const opens = (entry: Descriptor) => rankCandidates([{ place: '1', descriptor: entry }], platform, false).length > 0;
  const list = await readCandidates(found, { ...options, opens });
  const { selected, why, reason } = selectAsContainerd(list, { platform });
  if (selected !== undefined) return { ...facts, descriptor: selected.descriptor, platform };
  const available = platformsOf(list);
  const because = why === 'none' ? '' : `: containerd ${reason}`;
  throw new MlistError(
    'ERR_MLIST_PLATFORM_NOT_FOUND',
    `${found.reference} has no image that ${platformNotFoundText(platform, available)} can run${because}`,
    {
      reference: found.reference,
      hint: availableHint(available),
    },
  );
}

/** Warns if a single image is for another platform than requested, since clients pull it without an error. */
async function warnOfOtherPlatform(found: LookupResult, platform: Platform, options: ResolveOptions): Promise<void> {
  const [own] = (await platformsOfSingle(found, options)) ?? [];
  if (own === undefined || matchesPlatform(own, platform)) return;
  const [ownText, requested] = [own, platform].map((value) => formatPlatform(value, { all: true }));
  const message = `${found.reference} is a single image for ${ownText}, not for ${requested}: clients pull it anyway`;
  options.onEvent?.({ type: 'warning', message });
}

/** The known platforms of the images of a list. */
function platformsOf({ entries }: CandidateList): readonly Platform[] {
  return imagesOf(entries).flatMap((entry) => {
    const platform = isAttestation(entry.descriptor) ? undefined : effectivePlatform(entry);
    return platform === undefined || isUnknownPlatform(platform) ? [] : [platform];
  });
}

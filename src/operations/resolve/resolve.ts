import { MlistError } from '../../errors/errors.ts';
import { matchesPlatform, platformNotFoundText } from '../../draft/entry-selection.ts';
import { selectAsContainerd, rankCandidates } from '../../selection/containerd.ts';
import { effectivePlatform, imagesOf, type CandidateList } from '../../selection/candidates.ts';
import { isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatPlatform, isUnknownPlatform, type Platform } from '../../oci/platform/platform.ts';
import { platformsOfSingle } from '../image-platforms.ts';
import { readCandidates } from '../read-candidates.ts';
import { contentOf, lookup, type LookupResult, type ReadOptions } from '../lookup.ts';

export interface ResolvedManifest {
  readonly from: LookupResult['from'];
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
 * The manifest that a client picks: for a platform the image that containerd ends with, as `explain` tells it; else the
 * list itself. Only what containerd might take is opened.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`
 */
export async function resolve(
  name: string | undefined,
  platform: Platform | undefined,
  options: ResolveOptions,
): Promise<ResolvedManifest> {
  const found = await lookup(name, options);
  const { descriptor } = contentOf(found);
  const facts = { from: found.from, reference: found.reference };
  if (platform === undefined) return { ...facts, descriptor };
  if (!isIndexType(descriptor.mediaType)) {
    if (options.isAssumed !== true) await warnOfOther(found, platform, options);
    return { ...facts, descriptor };
  }
  if (options.isAssumed === true) {
    const text = formatPlatform(platform, { all: true });
    options.onEvent?.({ type: 'note', message: `for ${text}, as this machine is: choose another with --platform` });
  }
  const opens = (entry: Descriptor) => rankCandidates([{ place: '1', descriptor: entry }], platform, false).length > 0;
  const list = await readCandidates(found, { ...options, opens });
  const { picked, why, reason } = selectAsContainerd(list, { platform });
  if (picked !== undefined) return { ...facts, descriptor: picked.descriptor, platform };
  const there = platformsOf(list);
  const because = why === 'none' ? '' : `: containerd ${reason}`;
  const names = new Set(there.map((one) => formatPlatform(one, { all: true })));
  throw new MlistError(
    'ERR_MLIST_PLATFORM_NOT_FOUND',
    `${found.reference} has no image that ${platformNotFoundText(platform, there)} can run${because}`,
    {
      reference: found.reference,
      hint: names.size === 0 ? undefined : `There are: ${[...names].join(', ')}.`,
    },
  );
}

/** Clients take a single image whatever it is for; who asks for a platform should know. */
async function warnOfOther(found: LookupResult, platform: Platform, options: ResolveOptions): Promise<void> {
  const [there] = (await platformsOfSingle(found, options)) ?? [];
  if (there === undefined || matchesPlatform(there, platform)) return;
  const [is, asked] = [there, platform].map((one) => formatPlatform(one, { all: true }));
  const message = `${found.reference} is a single image for ${is}, not for ${asked}: clients take it all the same`;
  options.onEvent?.({ type: 'warning', message });
}

/** What the images of a list run on, as far as it is known. */
function platformsOf({ entries }: CandidateList): readonly Platform[] {
  return imagesOf(entries).flatMap((entry) => {
    const platform = isAttestation(entry.descriptor) ? undefined : effectivePlatform(entry);
    return platform === undefined || isUnknownPlatform(platform) ? [] : [platform];
  });
}

import { isUnpushed } from '../../draft/draft.ts';
import { formatProblems } from '../../draft/draft-rules.ts';
import { isAttestation } from '../../oci/descriptor.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { isUnknownPlatform, platformKey, type Platform } from '../../oci/platform/platform.ts';
import { effectivePlatform, imagesOf, type CandidateList } from '../../selection/candidates.ts';
import {
  explainPlatform,
  unreachableIn,
  type ExplainedPlatform,
  type ExplainedUnreachable,
} from '../explain/explain.ts';
import { DetailReader, type DetailOptions } from '../inspect/content-details.ts';
import { lookupForDisplay, viewOf, type ListView } from '../inspect/show.ts';
import { encodedContentOf, type ContentAccess, type LookupResult, type ReadOptions } from '../lookup.ts';
import { readCandidates } from '../read-candidates.ts';

/** Everything about a list or an image that a page shows. */
export interface Overview {
  /** The list with layers, nested lists and predicate types, and with referrers if they were requested. */
  readonly view: ListView;
  /** The exact bytes of the document. For a draft, these are the bytes that would be pushed. */
  readonly bytes: Uint8Array;
  /**
   * The selections of each client for the platforms of a list. Empty for single images, and for drafts that cannot be
   * pushed yet.
   */
  readonly platforms: readonly ExplainedPlatform[];
  /** Whether the list has more platforms than `platforms` contains. */
  readonly hasMorePlatforms: boolean;
  /** The entries, except attestations, that no client selects for any platform. Empty if this was not determined. */
  readonly unreachable: readonly ExplainedUnreachable[];
}

export interface OverviewOptions extends Pick<DetailOptions, 'referrers' | 'maxRead'> {
  /**
   * Read the referrers of the list itself. With `referrers`, the referrers of each image are read, too, which may be
   * slow. Default false.
   */
  readonly ownReferrers?: boolean | undefined;
}

/**
 * Limits on the platforms, and on the product of platforms and entries, that are compared for one page. Real lists have
 * fewer.
 */
const MAX_PLATFORMS = 24;
const MAX_COMPARED = 20_000;

/** Reads a list or an image with everything that a page shows. */
export async function overview(name: string | undefined, options: ReadOptions & OverviewOptions): Promise<Overview> {
  return overviewOf(await lookupForDisplay(name, options), options);
}

/** Like `overview`, for content that was looked up already. */
export async function overviewOf(found: LookupResult, options: ContentAccess & OverviewOptions): Promise<Overview> {
  const { descriptor, bytes } = encodedContentOf(found);
  const view = await viewOf(found, { ...options, tree: true });
  const content = { view: { ...view, ...(await ownReferrers(found, options)) }, bytes };
  if (!isIndexType(descriptor.mediaType) || !canBePulled(found))
    return { ...content, platforms: [], hasMorePlatforms: false, unreachable: [] };
  const list = await readCandidates(found, options);
  const platforms = platformsIn(list);
  const limit = Math.min(MAX_PLATFORMS, Math.ceil(MAX_COMPARED / Math.max(1, list.entries.length)));
  return {
    ...content,
    platforms: platforms.slice(0, limit).map((platform) => explainPlatform(list, { platform }, undefined)),
    hasMorePlatforms: platforms.length > limit,
    unreachable: (unreachableIn(list) ?? []).filter(({ why }) => why !== 'attestation'),
  };
}

async function ownReferrers(
  found: LookupResult,
  options: ContentAccess & OverviewOptions,
): Promise<Pick<ListView, 'referrers'>> {
  if (options.ownReferrers !== true || found.from === 'draft') return {};
  const reader = new DetailReader({ ...options, referrers: true });
  return reader.referrersOf({ source: found.location, descriptor: encodedContentOf(found).descriptor });
}

/**
 * Whether clients can select images from the list: it is stored, or it is a draft that can be pushed in its format and
 * whose images all have manifests.
 */
function canBePulled(found: LookupResult): boolean {
  if (found.from !== 'draft') return true;
  return !found.draft.entries.some(isUnpushed) && formatProblems(found.draft).length === 0;
}

function platformsIn({ entries }: CandidateList): readonly Platform[] {
  const images = imagesOf(entries).filter(({ descriptor }) => !isAttestation(descriptor));
  const platforms = images.flatMap((image) => effectivePlatform(image) ?? []);
  const known = platforms.filter((platform) => !isUnknownPlatform(platform));
  return [...new Map(known.map((platform) => [platformKey(platform), platform])).values()];
}

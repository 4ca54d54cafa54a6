import { AnnotationKey } from '../oci/descriptor.ts';
import { MediaType } from '../oci/media-type.ts';
import { normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import { tieNote, noSelection, failedSelection, unpullableReason, type Selection } from './selection.ts';
import { platformName, type RequestedPlatform, type Candidate, type CandidateList } from './candidates.ts';

/** The differences between the programs that use the containers/image library. */
export interface ContainersRules {
  /**
   * Whether the client normalises the requested platform like containerd, as podman and buildah do (libimage
   * `NormalizePlatform`).
   */
  readonly normalizes: boolean;
  /**
   * Whether the client prefers an image that is marked as compressed with zstd over other images for the same platform
   * (containers/image#1789, 2023).
   */
  readonly prefersZstd: boolean;
}

/**
 * Returns a function that selects as podman, buildah, skopeo and CRI-O do (containers/image
 * internal/manifest/oci_index.go and docker_schema2_list.go). They compare os, architecture and variant with a list of
 * wanted platforms, without normalising the platforms of entries. An entry without a platform is selected only in an
 * OCI index, and only if no other entry matches. os.version, os.features and the level of the CPU are ignored.
 */
export function selectAsContainers(
  rules: ContainersRules,
): (list: CandidateList, requested: RequestedPlatform) => Selection {
  return (list, requested) => {
    const wanted = wantedPlatforms(requested, rules);
    const isIndex = list.mediaType === MediaType.ociIndex;
    const prefersZstd = rules.prefersZstd && isIndex;
    const candidates = list.entries
      .map((entry) => ({ entry, rank: rankOf(entry, wanted, isIndex), isZstd: prefersZstd && isZstd(entry) }))
      .filter(({ rank }) => rank >= 0)
      .sort((left, right) =>
        left.rank === right.rank ? Number(right.isZstd) - Number(left.isZstd) : left.rank < right.rank ? -1 : 1,
      );
    const considered = { wants: wanted.map(wantedName), tries: candidates.map(({ entry }) => entry) };
    const [best] = candidates;
    if (best === undefined) return noSelection(considered);
    // Unlike `skopeo inspect`, a pull fails if the selected entry is a nested index.
    const failure = unpullableReason(best.entry);
    if (failure !== undefined) return failedSelection(considered, best.entry, failure);
    const equals = candidates.filter(({ rank }) => rank === best.rank);
    return { ...considered, selected: best.entry, ...explain(best, equals) };
  };
}

/** Compatible variants, most capable first, keyed by architecture (internal/pkg/platform). */
const chains = new Map([
  ['arm', ['v8', 'v7', 'v6', 'v5']],
  ['arm64', ['v8']],
]);

/** Returns the wanted platforms, best first (internal/pkg/platform/platform_matcher.go `WantedPlatforms`). */
function wantedPlatforms(requested: RequestedPlatform, rules: ContainersRules): readonly Platform[] {
  const { os, architecture, variant } = clientPlatform(requested, rules);
  const chain = chains.get(architecture) ?? [];
  const from = chain.indexOf(variant);
  const variants = variant === '' ? ['', ...chain] : [...(from < 0 ? [variant] : chain.slice(from)), ''];
  return variants.map((name) => ({ os, architecture, ...(name === '' ? {} : { variant: name }) }));
}

/** Returns the requested platform as the client parses it, or the platform that the client detects for its host. */
function clientPlatform({ platform, own }: RequestedPlatform, { normalizes }: ContainersRules) {
  const { os, architecture, variant = '' } = platform;
  // containers/image detects the variant only on arm, and uses v8 on every arm64 host.
  if (own === true)
    return { os, architecture, variant: architecture === 'arm64' ? 'v8' : armOnly(architecture, variant) };
  if (!normalizes) return { os, architecture, variant };
  const normal = normalizePlatform<Platform>({ os, architecture, variant });
  const defaultVariant = variant !== '' && normal.architecture === 'arm64' ? 'v8' : '';
  return { os: normal.os, architecture: normal.architecture, variant: normal.variant ?? defaultVariant };
}

function armOnly(architecture: string, variant: string): string {
  return architecture === 'arm' ? variant : '';
}

function rankOf({ descriptor: { platform } }: Candidate, wanted: readonly Platform[], isIndex: boolean): number {
  if (platform === undefined) return isIndex ? Infinity : -1;
  return wanted.findIndex(
    ({ os, architecture, variant = '' }) =>
      platform.os === os && platform.architecture === architecture && (platform.variant ?? '') === variant,
  );
}

function isZstd({ descriptor: { annotations } }: Candidate): boolean {
  return annotations?.[AnnotationKey.zstd] === 'true';
}

interface RankedCandidate {
  readonly entry: Candidate;
  readonly rank: number;
  readonly isZstd: boolean;
}

function explain(
  { entry, rank, isZstd }: RankedCandidate,
  equals: readonly RankedCandidate[],
): Pick<Selection, 'why' | 'reason'> {
  const tied = equals.filter((candidate) => candidate.isZstd === isZstd);
  const tie = tieNote(
    entry,
    tied.map((candidate) => candidate.entry),
  );
  if (isZstd && tied.length < equals.length)
    return { why: 'zstd', reason: `preferred because it is marked as compressed with zstd${tie}` };
  if (rank === Infinity)
    return { why: 'no-platform', reason: `no other entry matches; this one has no platform${tie}` };
  if (rank === 0) return { why: 'exact', reason: `exact match for the preferred platform${tie}` };
  return { why: 'compatible', reason: `exact match for a less preferred platform${tie}` };
}

function wantedName(platform: Platform): string {
  return `${platformName(platform)}${platform.variant === undefined ? ' without a variant' : ''}`;
}

import { AnnotationKey } from '../oci/descriptor.ts';
import { isIndexType, isManifestType, MediaType } from '../oci/media-type.ts';
import { normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import { tieNote, noSelection, failedSelection, type Selection } from './selection.ts';
import { platformName, type RequestedPlatform, type Candidate, type CandidateList } from './candidates.ts';

/** What sets the programs that are made with containers/image apart. */
export interface ContainersRules {
  /** podman and buildah put what is asked for into containerd's spelling first (libimage `NormalizePlatform`). */
  readonly normalizes: boolean;
  /** Of several images for one platform the one that is marked as zstd goes first (containers/image#1789, 2023). */
  readonly prefersZstd: boolean;
}

/**
 * podman, buildah, skopeo and CRI-O (containers/image internal/manifest/oci_index.go and docker_schema2_list.go): os,
 * architecture and variant are compared letter for letter with a list of wanted platforms. In an OCI index an entry
 * without a platform comes last of all. os.version and os.features do not matter, and neither does the level of the CPU.
 */
export function selectAsContainers(
  rules: ContainersRules,
): (list: CandidateList, asked: RequestedPlatform) => Selection {
  return (list, asked) => {
    const wanted = wantedPlatforms(asked, rules);
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
    const because = unpullable(best.entry);
    if (because !== undefined) return failedSelection(considered, best.entry, because);
    const equals = candidates.filter(({ rank }) => rank === best.rank);
    return { ...considered, picked: best.entry, ...explain(best, equals) };
  };
}

/** Chains of internal/pkg/platform: what a variant also stands for, most capable first. */
const chains = new Map([
  ['arm', ['v8', 'v7', 'v6', 'v5']],
  ['arm64', ['v8']],
]);

/** The platforms that are looked for, best first (internal/pkg/platform/platform_matcher.go `WantedPlatforms`). */
export function wantedPlatforms(asked: RequestedPlatform, rules: ContainersRules): readonly Platform[] {
  const { os, architecture, variant } = askedFor(asked, rules);
  const chain = chains.get(architecture) ?? [];
  const from = chain.indexOf(variant);
  const variants = variant === '' ? ['', ...chain] : [...(from < 0 ? [variant] : chain.slice(from)), ''];
  return variants.map((one) => ({ os, architecture, ...(one === '' ? {} : { variant: one }) }));
}

function askedFor({ platform, own }: RequestedPlatform, { normalizes }: ContainersRules) {
  const { os, architecture, variant = '' } = platform;
  // Only the variant of an ARM machine is looked up, and arm64 is always v8.
  if (own === true)
    return { os, architecture, variant: architecture === 'arm64' ? 'v8' : armOnly(architecture, variant) };
  if (!normalizes) return { os, architecture, variant };
  const normal = normalizePlatform<Platform>({ os, architecture, variant });
  const kept = variant !== '' && normal.architecture === 'arm64' ? 'v8' : '';
  return { os: normal.os, architecture: normal.architecture, variant: normal.variant ?? kept };
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

/** A pull takes one step: an index in the list is an error, where inspecting would walk on. */
function unpullable({ descriptor: { mediaType }, fault }: Candidate): string | undefined {
  if (fault !== undefined) return fault;
  if (isManifestType(mediaType)) return undefined;
  return isIndexType(mediaType) ? 'it is an index, and no image' : `${mediaType} is no image`;
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
  const rivals = equals.filter((one) => one.isZstd === isZstd);
  const tie = tieNote(
    entry,
    rivals.map((one) => one.entry),
  );
  if (isZstd && rivals.length < equals.length) return { why: 'zstd', reason: `marked as zstd, which goes first${tie}` };
  if (rank === Infinity) return { why: 'no-platform', reason: `no other entry fits; it states no platform${tie}` };
  if (rank === 0) return { why: 'exact', reason: `what it looks for first, letter for letter${tie}` };
  return { why: 'compatible', reason: `the first of what it looks for that is there, letter for letter${tie}` };
}

function wantedName(platform: Platform): string {
  return `${platformName(platform)}${platform.variant === undefined ? ' without variant' : ''}`;
}

import { normalizePlatform, type Platform } from './platform.ts';

/**
 * This module ranks the entries of a list for a platform, as containerd/platforms v1.0.0-rc.4 (`Only`) does for Docker,
 * BuildKit and containerd: the exact platform first, then the other platforms that the CPU can run.
 */

/** An entry to rank. An entry without a platform matches every platform and is ranked last. */
export interface Selectable {
  readonly platform?: Platform | undefined;
}

/**
 * Returns the matching entries, best first. Entries of the same rank are sorted by their number of os.features, most
 * first, and otherwise keep the order of the list.
 */
export function rankEntries<T extends Selectable>(entries: readonly T[], requested: Platform): readonly T[] {
  const rank = ranker(requested);
  return entries
    .map((entry) => ({ entry, rank: entry.platform ? rank(entry.platform) : Infinity }))
    .filter((scored): scored is { entry: T; rank: number } => scored.rank !== undefined)
    .sort(compareRanks)
    .map(({ entry }) => entry);
}

function compareRanks(left: { entry: Selectable; rank: number }, right: { entry: Selectable; rank: number }): number {
  if (left.rank !== right.rank) return left.rank < right.rank ? -1 : 1;
  return featureCount(right.entry) - featureCount(left.entry);
}

function featureCount({ platform }: Selectable): number {
  return platform?.['os.features']?.length ?? 0;
}

/**
 * Returns a function that ranks an entry's platform for the requested platform: 0 for an exact match, higher ranks for
 * worse matches, undefined for no match.
 */
export function ranker(platform: Platform): (entry: Platform) => number | undefined {
  const requested = normalizePlatform(platform);
  const features = new Set(requested['os.features']);
  const isWindows = requested.os === 'windows';
  const host = isWindows ? windowsVersion(requested['os.version'] ?? '') : undefined;
  return (entry) => {
    const candidate = normalizePlatform(isWindows ? withoutWin32k(entry) : entry);
    if (candidate.os !== requested.os) return undefined;
    if (host !== undefined && !runsOnWindows(host, entry['os.version'] ?? '')) return undefined;
    if (!(candidate['os.features'] ?? []).every((feature) => features.has(feature))) return undefined;
    return machineRank(requested, candidate);
  };
}

/** Ranks architecture and variant: 0 if equal, higher for older variants and 32-bit, undefined for no match. */
function machineRank(requested: Platform, candidate: Platform): number | undefined {
  const own = requested.variant ?? '';
  const other = candidate.variant ?? '';
  if (requested.architecture === 'arm64') return arm64Rank(own, candidate.architecture, other);
  if (requested.architecture === candidate.architecture && own === other) return 0;
  if (requested.architecture === 'amd64') return amd64Rank(own, candidate.architecture, other);
  if (requested.architecture === 'arm' && candidate.architecture === 'arm') return stepsDown(own, other, 5);
  return undefined;
}

function amd64Rank(own: string, architecture: string, other: string): number | undefined {
  if (architecture === '386') return other === '' ? Number.MAX_SAFE_INTEGER : undefined;
  return architecture === 'amd64' ? stepsDown(own, other === '' ? 'v1' : other, 1) : undefined;
}

/**
 * Returns by how many versions the variant `other` is older than `own`. Returns undefined if `other` is not older, or
 * if it is older than `oldest`.
 */
function stepsDown(own: string, other: string, oldest: number): number | undefined {
  const from = atoi(own);
  const to = /^v(?:0|[1-9]\d*)$/.test(other) ? Number(other.slice(1)) : Number.NaN;
  return from > to && to >= oldest ? from - to : undefined;
}

/** Returns the number in `v3` or `3`, as Go's strconv.Atoi parses it. Returns NaN for other variants. */
function atoi(variant: string): number {
  const digits = variant.startsWith('v') ? variant.slice(1) : variant;
  return /^[+-]?\d+$/.test(digits) ? Number(digits) : Number.NaN;
}

/** An arm64 CPU with v9.n also runs v8.(n+5), up to v8.9. */
const V8_WITH_V9 = 5;
const LAST_V8_MINOR = 9;
const LAST_V9_MINOR = 7;

/**
 * Returns the arm64 variants that a CPU with this variant runs, best first. Returns an empty array for a variant that
 * containerd does not know.
 */
function arm64Chain(variant: string): readonly string[] {
  const match = /^v(?:(8)(?:\.([1-9]))?|(9)(?:\.([1-9]))?)$/.exec(variant === '' ? 'v8' : variant);
  if (match === null) return [];
  const isV9 = match[3] !== undefined;
  const minor = Number(match[2] ?? match[4] ?? 0);
  if (isV9 && minor > LAST_V9_MINOR) return [];
  const v8 = isV9 ? Math.min(minor + V8_WITH_V9, LAST_V8_MINOR) : minor;
  return [...(isV9 ? downFrom(9, minor) : []), ...downFrom(8, v8)];
}

function downFrom(major: number, minor: number): string[] {
  return Array.from({ length: minor + 1 }, (_, step) => (step === minor ? `v${major}` : `v${major}.${minor - step}`));
}

/** The variants of 32-bit arm, best first. containerd assumes that every arm64 CPU also runs them. */
const ARM_CHAIN = ['v8', 'v7', 'v6', 'v5'];

function arm64Rank(own: string, architecture: string, other: string): number | undefined {
  const chain = arm64Chain(own);
  if (chain.length === 0) return undefined;
  const rank =
    architecture === 'arm64'
      ? chain.indexOf(other === '' ? 'v8' : other)
      : architecture === 'arm' && ARM_CHAIN.includes(other)
        ? chain.length + ARM_CHAIN.indexOf(other)
        : -1;
  return rank < 0 ? undefined : rank;
}

/** Windows versions are compared by major, minor and build number; the revision is ignored. */
interface WindowsVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

const NO_VERSION: WindowsVersion = { major: 0, minor: 0, build: 0 };

function windowsVersion(text: string): WindowsVersion {
  const [major, minor, build] = text.split('.', 3);
  if (major === undefined || minor === undefined || build === undefined) return NO_VERSION;
  const version = { major: uint(major, 255), minor: uint(minor, 255), build: uint(build, 65535) };
  return Object.values(version).some(Number.isNaN) ? NO_VERSION : version;
}

function uint(digits: string, max: number): number {
  const value = /^\d+$/.test(digits) ? Number(digits) : Number.NaN;
  return value <= max ? value : Number.NaN;
}

/**
 * Build numbers of Windows. From LTSC 2022 on, a host also runs images of older builds: back to LTSC 2022, or, if the
 * host is newer than LTSC 2025, back to LTSC 2025.
 */
const LTSC_2022 = 20348;
const LTSC_2025 = 26100;

/** Whether a Windows host can run an image with process isolation. A missing version matches every version. */
function runsOnWindows(host: WindowsVersion, image: string): boolean {
  if (image === '' || (host.major === 0 && host.minor === 0 && host.build === 0)) return true;
  const { major, minor, build } = windowsVersion(image);
  if (host.major !== major || host.minor !== minor) return false;
  if (host.build < LTSC_2022) return host.build === build;
  const oldest = host.build > LTSC_2025 ? LTSC_2025 : LTSC_2022;
  return oldest <= build && build <= host.build;
}

/** Removes one win32k from the os.features of an image, as containerd does, because all Windows hosts support it. */
function withoutWin32k(platform: Platform): Platform {
  const features = platform['os.features'] ?? [];
  const at = features.indexOf('win32k');
  return at < 0 ? platform : { ...platform, 'os.features': features.toSpliced(at, 1) };
}

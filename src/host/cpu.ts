/** This module derives the variant and the level of a CPU from /proc/cpuinfo. */

/** Returns the first value of a field that occurs once for each CPU, such as `flags`; undefined if it is missing. */
function cpuField(cpuinfo: string, name: string): string | undefined {
  for (const line of cpuinfo.split('\n')) {
    const at = line.indexOf(':');
    if (at > 0 && line.slice(0, at).trim().toLowerCase() === name.toLowerCase()) return line.slice(at + 1).trim();
  }
  return undefined;
}

/** The flags that each level adds (x86-64 psABI 1.0, table 3.1). Linux calls LZCNT `abm`, and SSE3 `pni`. */
const amd64Levels: readonly (readonly [level: string, flags: string])[] = [
  ['v2', 'cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3'],
  ['v3', 'avx avx2 bmi1 bmi2 f16c fma abm movbe xsave'],
  ['v4', 'avx512f avx512bw avx512cd avx512dq avx512vl'],
];

/** Returns the level of an amd64 CPU, `v1` to `v4`. Returns undefined if cpuinfo has no flags. */
export function amd64Level(cpuinfo: string): string | undefined {
  const flags = flagsOf(cpuinfo, 'flags');
  return flags && highestLevel(amd64Levels, flags, 'v1');
}

/**
 * The features that each version adds. Features that programs cannot see, or that Linux has no name for, are omitted.
 * Copied from moby (daemon/internal/platform/arm64variant_linux.go), which follows LLVM's AArch64Features.td.
 */
const arm64Levels: readonly (readonly [level: string, features: string])[] = [
  ['v8.1', 'crc32 atomics asimdrdm'],
  ['v8.2', 'dcpop'],
  ['v8.3', 'lrcpc paca pacg jscvt fcma'],
  ['v8.4', 'asimddp dit flagm ilrcpc uscat'],
  ['v8.5', 'sb flagm2 frint dcpodp bti'],
  ['v8.6', 'bf16 ecv i8mm'],
  ['v8.7', 'wfxt'],
  ['v8.8', 'hbc mops'],
  ['v8.9', 'cssc'],
];

/**
 * Returns the architecture version of an arm64 CPU: `v8` to `v8.9`, or `v9` to `v9.4`. Returns undefined if cpuinfo has
 * no features.
 */
export function arm64Level(cpuinfo: string): string | undefined {
  const features = flagsOf(cpuinfo, 'Features');
  if (features === undefined) return undefined;
  const level = highestLevel(arm64Levels, features, 'v8');
  const minor = Number(level.slice('v8.'.length) || '0');
  // An Armv9.n CPU has the features of v8.(n+5) and SVE2. An Armv9.4 CPU also has SVE2.1.
  if (minor < 5 || !['fphp', 'asimdhp', 'sve2'].every((feature) => features.has(feature))) return level;
  const v9 = Math.min(minor - 5, features.has('sve2p1') ? 4 : 3);
  return v9 === 0 ? 'v9' : `v9.${v9}`;
}

function flagsOf(cpuinfo: string, field: string): ReadonlySet<string> | undefined {
  const value = cpuField(cpuinfo, field);
  return value === undefined ? undefined : new Set(value.split(/\s+/));
}

/**
 * Returns the highest level for which the CPU has all flags, including the flags of all lower levels.
 * @param lowest - the level that every CPU has
 */
function highestLevel(
  levels: readonly (readonly [string, string])[],
  flags: ReadonlySet<string>,
  lowest: string,
): string {
  let highest = lowest;
  for (const [level, required] of levels) {
    if (!required.split(' ').every((flag) => flags.has(flag))) break;
    highest = level;
  }
  return highest;
}

/**
 * Returns the variant of a 32-bit ARM CPU, `v3` to `v8` (containerd/platforms cpuinfo_linux.go). Returns undefined if
 * it is unknown. The first Raspberry Pis are v6, but report architecture 7. The field `model name` identifies them.
 */
export function armVariant(cpuinfo: string): string | undefined {
  const architecture = cpuField(cpuinfo, 'CPU architecture')?.toLowerCase() ?? '';
  const isV6 = /^armv6-compatible/i.test(cpuField(cpuinfo, 'model name') ?? '');
  if (architecture === '7' && isV6) return 'v6';
  if (architecture === '8' || architecture === 'aarch64') return 'v8';
  if (/^\?\(1[2-7]\)$/.test(architecture)) return 'v7';
  const number = /^([3-7])(?:m|tej|tej?|t)?$/.exec(architecture)?.[1];
  return number === undefined ? undefined : `v${number}`;
}

/** Whether the CPU is made by Apple. Such CPUs cannot run 32-bit programs. */
export function isApple(cpuinfo: string): boolean {
  return cpuField(cpuinfo, 'CPU implementer') === '0x61';
}

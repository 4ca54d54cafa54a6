import { closestMatch } from '../../text/closest-match.ts';

/** This module lists the operating systems and architectures of Go 1.23 (internal/syslist), and common aliases. */

const knownOs = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
);

const knownArchitecture = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 ' +
    'mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm'
  ).split(' '),
);

/** Whether containerd/platforms v1.0.0-rc.4 knows this operating system. It does not know `wasip1`. */
export function isKnownOs(os: string): boolean {
  return knownOs.has(os);
}

export function isKnownArchitecture(architecture: string): boolean {
  return knownArchitecture.has(architecture);
}

/**
 * The architectures of each operating system: the output of `go tool dist list` in Go 1.23, and `wasi/wasm`, which
 * older versions of Docker use.
 */
const ports: Readonly<Record<string, string>> = {
  aix: 'ppc64',
  android: '386 amd64 arm arm64',
  darwin: 'amd64 arm64',
  dragonfly: 'amd64',
  freebsd: '386 amd64 arm arm64 riscv64',
  illumos: 'amd64',
  ios: 'amd64 arm64',
  js: 'wasm',
  linux: '386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x',
  netbsd: '386 amd64 arm arm64',
  openbsd: '386 amd64 arm arm64 ppc64 riscv64',
  plan9: '386 amd64 arm',
  solaris: 'amd64',
  wasi: 'wasm',
  wasip1: 'wasm',
  windows: '386 amd64 arm arm64',
};

/** The operating systems in `ports`, for shell completion. */
export const knownSystems: readonly string[] = Object.keys(ports);
/** The architectures in `ports`, for shell completion. */
export const knownArchitectures: readonly string[] = [
  ...new Set(Object.values(ports).flatMap((architectures) => architectures.split(' '))),
].sort();

/** The platforms for which images are commonly built, for shell completion. */
export const commonPlatforms: readonly string[] = (
  'linux/amd64 linux/arm64 linux/arm/v7 linux/arm/v6 linux/386 linux/ppc64le linux/s390x linux/riscv64 linux/loong64 ' +
  'linux/mips64le windows/amd64 windows/arm64 darwin/amd64 darwin/arm64 freebsd/amd64 wasip1/wasm'
).split(' ');

/** Whether Go has a port for this pair. Other pairs are valid in a list, but they are probably typos. */
export function isKnownPort(os: string, architecture: string): boolean {
  return Object.hasOwn(ports, os) && (ports[os] ?? '').split(' ').includes(architecture);
}

/**
 * Suggests a known platform for an unknown one: a typo (`linux/amd46`), parts in the wrong order, or an
 * architecture and a variant without the operating system (`arm/v7`).
 * @returns undefined if the platform is known, or if no known platform is similar
 */
export function suggestPlatform(os: string, architecture: string, variant?: string): string | undefined {
  if (isKnownPort(os, architecture)) return undefined;
  const machine = resolveArchitecture(os);
  if (isKnownArchitecture(machine.architecture)) {
    if (/^v?\d/.test(architecture)) return `linux/${machine.architecture}/${resolveVariant(architecture)}`;
    const swapped = resolveOs(architecture);
    return isKnownPort(swapped, machine.architecture) ? `${swapped}/${machine.architecture}` : undefined;
  }
  const knownOs = closestMatch(os, Object.keys(ports));
  const known = knownOs === undefined ? undefined : closestMatch(architecture, (ports[knownOs] ?? '').split(' '));
  if (knownOs === undefined || known === undefined) return undefined;
  return [knownOs, known, ...(variant === undefined ? [] : [variant])].join('/');
}

interface Machine {
  readonly architecture: string;
  readonly variant?: string;
}

/** Common names of architectures, for example in `uname -m`, Debian, Rust and Node. */
const aliases: Readonly<Record<string, Machine>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  x8664: { architecture: 'amd64' },
  x64: { architecture: 'amd64' },
  x86: { architecture: '386' },
  ia32: { architecture: '386' },
  i386: { architecture: '386' },
  i486: { architecture: '386' },
  i586: { architecture: '386' },
  i686: { architecture: '386' },
  aarch64: { architecture: 'arm64' },
  arm64v8: { architecture: 'arm64', variant: 'v8' },
  armv8: { architecture: 'arm64', variant: 'v8' },
  armv8l: { architecture: 'arm', variant: 'v8' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armv7: { architecture: 'arm', variant: 'v7' },
  armv7l: { architecture: 'arm', variant: 'v7' },
  armv7hl: { architecture: 'arm', variant: 'v7' },
  arm32v7: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
  armv6: { architecture: 'arm', variant: 'v6' },
  armv6l: { architecture: 'arm', variant: 'v6' },
  arm32v6: { architecture: 'arm', variant: 'v6' },
  arm32v5: { architecture: 'arm', variant: 'v5' },
  armv5l: { architecture: 'arm', variant: 'v5' },
  armv5tel: { architecture: 'arm', variant: 'v5' },
  ppc64el: { architecture: 'ppc64le' },
  powerpc64le: { architecture: 'ppc64le' },
  mipsel: { architecture: 'mipsle' },
  mips64el: { architecture: 'mips64le' },
  loongarch64: { architecture: 'loong64' },
};

const osAliases: Readonly<Record<string, string>> = {
  macos: 'darwin',
  osx: 'darwin',
  win32: 'windows',
  win: 'windows',
};

/** Resolves an alias of an architecture. Returns any other name in lower case. */
export function resolveArchitecture(typed: string): Machine {
  const lower = typed.toLowerCase();
  return Object.hasOwn(aliases, lower) ? (aliases[lower] ?? { architecture: lower }) : { architecture: lower };
}

/** Resolves an alias of an operating system. Returns any other name in lower case. */
export function resolveOs(typed: string): string {
  const lower = typed.toLowerCase();
  return Object.hasOwn(osAliases, lower) ? (osAliases[lower] ?? lower) : lower;
}

/**
 * Converts a name such as `8`, `armv7` or `v7l` to a variant name of image-spec (`v8`, `v7`). Returns any other name in
 * lower case.
 */
export function resolveVariant(typed: string): string {
  const lower = typed.toLowerCase();
  const digits = /^(?:arm)?v?(\d+(?:\.\d+)?)l?$/.exec(lower)?.[1];
  return digits === undefined ? lower : `v${digits}`;
}

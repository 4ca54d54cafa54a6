import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ownPlatform, type HostFacts } from '../../src/host/host-facts.ts';
import { readHost, type HostSources } from '../../src/host/read-host.ts';
import { runsOn } from '../../src/host/runs-on.ts';
import { formatPlatform, parsePlatform } from '../../src/oci/platform/platform.ts';
import { goldenFile } from '../support/golden.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** Hosts are folders with the files of /proc; test/golden/README.md describes the source of the handlers. */
const machines = goldenFile<Readonly<Record<string, Readonly<Record<string, string>>>>>('binfmt-machines.json');

type Files = Readonly<Record<string, string>>;

async function hostOf(files: Files, more: Omit<HostSources, 'root'> = {}): Promise<HostFacts> {
  const root = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return readHost({ platform: 'linux', machine: 'x86_64', endianness: 'LE', root, ...more });
}

function handlersOf(name: string): Files {
  const files = Object.entries(machines[name] ?? {});
  return Object.fromEntries(files.map(([file, text]) => [`proc/sys/fs/binfmt_misc/${file}`, text]));
}

function verdictOf(host: HostFacts, platform: string): string {
  const { verdict, handler } = runsOn(host, parsePlatform(platform));
  return handler === undefined ? verdict : `${verdict} by ${handler.name}`;
}

const foreign = ['arm64', 'arm/v7', 'ppc64le', 's390x', 'riscv64', 'mips64le', 'mipsle', 'loong64'];
const all = (verdict: string) => Object.fromEntries(foreign.map((name) => [name, verdict]));
const emulators: Readonly<Record<string, string>> = {
  arm64: 'aarch64',
  'arm/v7': 'arm',
  mips64le: 'mips64el',
  mipsle: 'mipsel',
  loong64: 'loongarch64',
};
const byQemu = Object.fromEntries(foreign.map((name) => [name, `emulated by qemu-${emulators[name] ?? name}`]));

describe('handlers of binfmt_misc', () => {
  test.each<[machine: string, verdicts: Readonly<Record<string, string>>]>([
    ['debian-12-qemu-user-static', byQemu],
    ['fedora-qemu-user-static', byQemu],
    ['tonistiigi-binfmt', byQemu],
    ['multiarch-qemu-user-static', byQemu],
    ['debian-12-qemu-user-binfmt', byQemu],
    ['no-emulators', all('no')],
    ['nothing-registered', all('no')],
    ['switched-off', all('no')],
    ['one-handler-off', { ...byQemu, arm64: 'no' }],
    ['wsl-2', { ...all('no'), arm64: 'emulated by qemu-aarch64' }],
  ])('%s', async (machine, verdicts) => {
    const host = await hostOf(handlersOf(machine));
    const found = Object.fromEntries(foreign.map((name) => [name, verdictOf(host, `linux/${name}`)]));
    expect(found).toEqual(verdicts);
    expect(verdictOf(host, 'linux/amd64')).toBe('native');
    expect(verdictOf(host, 'windows/amd64')).toBe('no');
  });

  test('Rosetta on arm64, with and without QEMU', async () => {
    const arm64 = { machine: 'aarch64' };
    const lima = await hostOf(handlersOf('lima-rosetta'), arm64);
    expect(verdictOf(lima, 'linux/amd64')).toBe('emulated by rosetta');
    expect(verdictOf(lima, 'linux/arm64')).toBe('native');
    const desktop = await hostOf(handlersOf('docker-desktop-rosetta'), arm64);
    expect(runsOn(desktop, parsePlatform('linux/amd64'))).toMatchObject({
      verdict: 'emulated',
      reason: expect.stringMatching(/^qemu-x86_64 \(or rosetta, if it was registered later\) runs it /) as unknown,
    });
  });

  test.each<[machine: string, flag: boolean, next: RegExp]>([
    ['debian-12-qemu-user-static', true, /^$/],
    ['multiarch-qemu-user-static', false, /--uninstall qemu-aarch64 && .* --install arm64/],
  ])('%s: flag F', async (machine, isFixed, next) => {
    const runs = runsOn(await hostOf(handlersOf(machine)), parsePlatform('linux/arm64'));
    expect(runs.handler?.isFixed).toBe(isFixed);
    expect(runs.next[0] ?? '').toMatch(next);
    expect(runs.reason).toMatch(
      isFixed ? /also in containers/ : /only if the image contains \S+ \(which is not installed on this host/,
    );
  });

  test('without flag F: an existing interpreter is not reported as missing', async () => {
    const handlers = handlersOf('multiarch-qemu-user-static');
    const host = await hostOf({ ...handlers, 'usr/bin/qemu-aarch64-static': '' });
    expect(runsOn(host, parsePlatform('linux/arm64')).reason).not.toMatch(/missing/);
  });

  test.each<[name: string, machine: string, next: RegExp]>([
    ['no handler', 'no-emulators', /tonistiigi\/binfmt --install arm64/],
    ['all handlers disabled', 'switched-off', /^echo 1 \| sudo tee \/proc\/sys\/fs\/binfmt_misc\/status$/],
    ['one handler disabled', 'one-handler-off', /^echo 1 \| sudo tee \/proc\/sys\/fs\/binfmt_misc\/qemu-aarch64$/],
  ])('%s: exec format error, and the next step', async (_name, machine, next) => {
    const runs = runsOn(await hostOf(handlersOf(machine)), parsePlatform('linux/arm64'));
    expect(runs.reason).toMatch(/^exec format error/);
    expect(runs.next[0]).toMatch(next);
  });

  test('without binfmt_misc: no on a host, unknown in a container', async () => {
    expect(verdictOf(await hostOf({}), 'linux/arm64')).toBe('no');
    expect(verdictOf(await hostOf({ '.dockerenv': '' }), 'linux/arm64')).toBe('unknown');
    expect(verdictOf(await hostOf({ 'run/.containerenv': '' }), 'linux/arm64')).toBe('unknown');
  });

  const aarch64 = machines['tonistiigi-binfmt']?.['qemu-aarch64'] ?? '';
  test.each<[name: string, text: string, verdict: string]>([
    ['without changes', aarch64, 'emulated by odd'],
    ['without a mask, which matches only ET_EXEC', aarch64.replace(/mask .*\n/, ''), 'emulated by odd'],
    ['with a mask of another length', aarch64.replace(/mask ff/, 'mask '), 'no'],
    ['with a magic number that is not hex', aarch64.replace(/magic 7f/, 'magic xx'), 'no'],
    ['with an offset beyond the header', aarch64.replace('offset 0', 'offset 250'), 'no'],
    ['without a value of the offset', aarch64.replace('offset 0', 'offset'), 'no'],
    [
      'with an offset where the magic number matches',
      'enabled\ninterpreter /q\nflags: F\noffset 18\nmagic b700\n',
      'emulated by odd',
    ],
    [
      'with an offset where the magic number differs',
      'enabled\ninterpreter /q\nflags: F\noffset 17\nmagic b700\n',
      'no',
    ],
    ['for an extension', 'enabled\ninterpreter /q\nflags: F\nextension .arm64\n', 'no'],
    ['with an empty file', '', 'no'],
    ['for another architecture, whatever its name', machines['tonistiigi-binfmt']?.['qemu-arm'] ?? '', 'no'],
  ])('a handler %s', async (_name, text, verdict) => {
    const host = await hostOf({
      'proc/sys/fs/binfmt_misc/status': 'enabled\n',
      'proc/sys/fs/binfmt_misc/odd': text,
    });
    expect(verdictOf(host, 'linux/arm64')).toBe(verdict);
  });
});

const v2 = 'fpu lm cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3';
const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
const v4 = `${v3} avx512f avx512bw avx512cd avx512dq avx512vl`;
const v81 = 'fp asimd evtstrm aes crc32 atomics asimdrdm';

describe('the CPU', () => {
  test.each<[name: string, machine: string, cpuinfo: string, level: string | undefined, variant: string | undefined]>([
    ['amd64/v1', 'x86_64', 'flags\t\t: fpu lm sse2', 'v1', undefined],
    ['amd64/v2', 'x86_64', `flags\t\t: ${v2}`, 'v2', undefined],
    ['amd64/v3', 'x86_64', `processor\t: 0\nflags\t\t: ${v3}\n`, 'v3', undefined],
    ['amd64/v4', 'x86_64', `flags\t\t: ${v4}`, 'v4', undefined],
    ['v4 flags without a flag of v3', 'x86_64', `flags\t\t: ${v4.replace('movbe', '')}`, 'v2', undefined],
    ['amd64 without flags', 'x86_64', '', undefined, undefined],
    ['arm64', 'aarch64', 'Features\t: fp asimd evtstrm', 'v8', undefined],
    ['arm64/v8.1', 'aarch64', `Features\t: ${v81}`, 'v8.1', undefined],
    ['arm64/v8.2', 'aarch64', `Features\t: ${v81} dcpop`, 'v8.2', undefined],
    ['arm/v7', 'armv7l', 'CPU architecture: 7', undefined, 'v7'],
    ['arm/v8', 'armv8l', 'CPU architecture: 8', undefined, 'v8'],
    ['arm/v5', 'armv5tejl', 'CPU architecture: 5TEJ', undefined, 'v5'],
    [
      'the first Raspberry Pi',
      'armv6l',
      'model name\t: ARMv6-compatible processor rev 7 (v6l)\nCPU architecture: 7',
      undefined,
      'v6',
    ],
    ['arm, from uname -m', 'armv7l', '', undefined, 'v7'],
    ['riscv64', 'riscv64', 'isa : rv64imafdc', undefined, undefined],
  ])('%s', async (_name, machine, cpuinfo, level, variant) => {
    const host = await hostOf({ 'proc/cpuinfo': cpuinfo }, { machine });
    expect([host.level, host.variant]).toEqual([level, variant]);
  });

  const arm64 = { machine: 'aarch64' };
  const amd64 = (flags: string): Files => ({ 'proc/cpuinfo': `flags : ${flags}` });
  test.each<[host: string, files: Files, sources: Omit<HostSources, 'root'>, image: string, verdict: string]>([
    ['amd64/v3', amd64(v3), {}, 'linux/amd64/v3', 'native'],
    ['amd64/v3', amd64(v3), {}, 'linux/amd64/v4', 'no'],
    ['amd64/v3', amd64(v3), {}, 'linux/amd64/v1', 'native'],
    ['amd64 without flags', {}, {}, 'linux/amd64/v2', 'unknown'],
    ['amd64', { ...amd64(v2), 'proc/sys/abi/vsyscall32': '1' }, {}, 'linux/386', 'native'],
    [
      'amd64 without 32-bit mode',
      { ...amd64(v2), 'proc/sys/abi/vsyscall32': '1', 'proc/cmdline': 'quiet ia32_emulation=0\n' },
      {},
      'linux/386',
      'no',
    ],
    ['amd64 without vsyscall32', amd64(v2), {}, 'linux/386', 'unknown'],
    ['386', {}, { machine: 'i686' }, 'linux/386', 'native'],
    ['386', {}, { machine: 'i686' }, 'linux/amd64', 'no'],
    ['arm64', {}, arm64, 'linux/arm/v7', 'unknown'],
    ['arm64 by Apple', { 'proc/cpuinfo': 'CPU implementer : 0x61' }, arm64, 'linux/arm/v7', 'no'],
    ['arm64', { 'proc/cpuinfo': 'Features : fp asimd' }, arm64, 'linux/arm64/v8', 'native'],
    ['arm64', { 'proc/cpuinfo': 'Features : fp asimd' }, arm64, 'linux/arm64/v9', 'no'],
    ['arm/v6', { 'proc/cpuinfo': 'CPU architecture: 6' }, { machine: 'armv6l' }, 'linux/arm/v5', 'native'],
    ['arm/v6', { 'proc/cpuinfo': 'CPU architecture: 6' }, { machine: 'armv6l' }, 'linux/arm/v7', 'no'],
    ['mips of little endian', {}, { machine: 'mips64' }, 'linux/mips64le', 'native'],
    ['mips of big endian', {}, { machine: 'mips64', endianness: 'BE' }, 'linux/mips64le', 'no'],
    ['ppc64le', {}, { machine: 'ppc64le' }, 'linux/ppc64le', 'native'],
    ['riscv64', {}, { machine: 'riscv64' }, 'linux/riscv64', 'native'],
    ['amd64', {}, {}, 'wasi/wasm', 'unknown'],
    ['amd64', {}, {}, 'freebsd/amd64', 'no'],
    ['a Mac', {}, { platform: 'darwin', machine: 'arm64' }, 'linux/arm64', 'unknown'],
    ['a Mac', {}, { platform: 'darwin', machine: 'arm64' }, 'darwin/amd64', 'emulated by Rosetta 2'],
    ['a Mac', {}, { platform: 'darwin', machine: 'arm64' }, 'darwin/arm64', 'native'],
    ['an Intel Mac', {}, { platform: 'darwin' }, 'darwin/arm64', 'no'],
    ['Windows', {}, { platform: 'win32', release: '10.0.20348' }, 'windows(10.0.20348.1)/amd64', 'native'],
    ['Windows', {}, { platform: 'win32', release: '10.0.20348' }, 'windows(10.0.17763.1)/amd64', 'unknown'],
    ['Windows', {}, { platform: 'win32', release: '10.0.20348' }, 'windows(10.0.26100.1)/amd64', 'no'],
    ['Windows', {}, { platform: 'win32', release: '10.0.26100' }, 'windows(10.0.20348.1)/amd64', 'native'],
    ['Windows', {}, { platform: 'win32', release: '10.0.20348' }, 'windows/arm64', 'no'],
    ['Windows', {}, { platform: 'win32', release: '10.0.20348' }, 'linux/amd64', 'unknown'],
    ['FreeBSD', {}, { platform: 'freebsd', machine: 'amd64' }, 'freebsd/amd64', 'native'],
    ['FreeBSD', {}, { platform: 'freebsd', machine: 'amd64' }, 'linux/amd64', 'no'],
  ])('%s (%#) and an image for %4$s', async (_name, files, sources, image, verdict) => {
    expect([image, verdictOf(await hostOf(files, sources), image)]).toEqual([image, verdict]);
  });
});

test.each([
  ['x86_64', 'linux/amd64'],
  ['armv7l', 'linux/arm/v7'],
  ['ppc64le', 'linux/ppc64le'],
  ['mips64', 'linux/mips64le'],
])('containers on %s run as %s, and as linux on macOS', async (machine, own) => {
  expect(formatPlatform(ownPlatform(await hostOf({}, { machine })))).toBe(own);
  const mac = await readHost({ platform: 'darwin', machine: 'arm64' });
  expect(formatPlatform(ownPlatform(mac))).toBe('linux/arm64');
});

test('this host is detected, and runs images for its own platform', async () => {
  const host = await readHost();
  const { os, architecture, variant } = host;
  const own = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  expect([formatPlatform(own), runsOn(host, own).verdict]).toEqual([
    formatPlatform(own),
    os === 'windows' ? expect.any(String) : 'native',
  ]);
});

import { describe, expect, test } from '@jest/globals';
import {
  formatPlatform,
  normalizePlatform,
  parseFormattedPlatform,
  parsePlatform,
  platformKey,
  samePlatform,
  splitPlatforms,
  type Platform,
} from '../../../src/oci/platform/platform.ts';
import { rankEntries, type Selectable } from '../../../src/oci/platform/matching.ts';
import { attempt, goldenLines } from '../../support/golden.ts';
import { fc } from '../../support/seed.ts';

const machine = { os: 'linux', architecture: 'amd64' };

describe('containerd/platforms v1.0.0-rc.4', () => {
  interface Parsed {
    readonly in: string;
    readonly error?: string;
    readonly platform: Platform;
    readonly format: string;
    readonly formatAll: string;
    readonly normalized: Platform;
  }

  test.each([
    ['platform-parse.jsonl', (golden: Parsed) => attempt(() => parsePlatform(golden.in, { default: machine }))],
    ['platform-normalize.jsonl', (golden: Parsed) => golden.platform],
  ])('%s', (file, read) => {
    const all = goldenLines<Parsed>(file);
    const differing = all.filter((golden) => {
      const platform = read(golden);
      if (golden.error !== undefined) return platform !== undefined;
      if (platform === undefined) return true;
      const results = [
        platform,
        normalizePlatform(platform),
        formatPlatform(platform),
        formatPlatform(platform, { all: true }),
      ];
      return !sameJson(results, [golden.platform, golden.normalized, golden.format, golden.formatAll]);
    });
    expect(all.length).toBeGreaterThan(500);
    expect(differing).toEqual([]);
  });

  test('platform-select.jsonl', () => {
    interface Choice {
      readonly entries: readonly (Platform | null)[];
      readonly wanted: Platform;
      readonly best: number;
      readonly order: readonly number[];
    }
    const all = goldenLines<Choice>('platform-select.jsonl');
    const differing = all.filter(({ entries, wanted, best, order }) => {
      const list = entries.map((platform) => (platform === null ? {} : { platform }));
      const ranked = rankEntries(list, wanted);
      const positions = ranked.map((entry) => list.indexOf(entry));
      return ranked[0] !== list[best] || !sameJson(positions, order);
    });
    expect(all.length).toBeGreaterThan(1_000);
    expect(differing).toEqual([]);
  });
});

function sameJson(left: unknown, right: unknown): boolean {
  try {
    expect(left).toEqual(right);
    return true;
  } catch {
    return false;
  }
}

/** How a specifier is parsed and normalised. */
describe('normalisation', () => {
  test.each([
    ['linux/x86_64', 'linux/amd64', 'linux/amd64'],
    ['linux/x86-64', 'linux/amd64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64', 'linux/amd64'],
    ['linux/amd64/v2', 'linux/amd64/v2', 'linux/amd64/v2'],
    ['linux/amd64/2', 'linux/amd64/2', 'linux/amd64/2'],
    ['linux/aarch64', 'linux/arm64', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/v8.0', 'linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/9', 'linux/arm64/v9', 'linux/arm64/v9'],
    ['linux/arm64/9.0', 'linux/arm64/v9', 'linux/arm64/v9'],
    ['linux/arm64/8.1', 'linux/arm64/8.1', 'linux/arm64/8.1'],
    ['linux/arm', 'linux/arm', 'linux/arm/v7'],
    ['linux/arm/5', 'linux/arm/v5', 'linux/arm/v5'],
    ['linux/arm/6', 'linux/arm/v6', 'linux/arm/v6'],
    ['linux/arm/7', 'linux/arm/v7', 'linux/arm/v7'],
    ['linux/arm/8', 'linux/arm/v8', 'linux/arm/v8'],
    ['linux/armhf', 'linux/arm', 'linux/arm/v7'],
    ['linux/armhf/v6', 'linux/arm/v7', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6', 'linux/arm/v6'],
    ['linux/i386', 'linux/386', 'linux/386'],
    ['linux/i386/v1', 'linux/386', 'linux/386'],
    ['macOS/arm64', 'darwin/arm64', 'darwin/arm64'],
    ['linux/armv7l', 'linux/armv7l', 'linux/armv7l'],
    ['linux/x64', 'linux/x64', 'linux/x64'],
    ['unknown/unknown', 'unknown/unknown', 'unknown/unknown'],
    ['wasip1/wasm', 'wasip1/wasm', 'wasip1/wasm'],
    ['foo/bar', 'foo/bar', 'foo/bar'],
    ['arm64', 'linux/arm64', 'linux/arm64'],
    ['linux', 'linux/amd64', 'linux/amd64'],
  ])('parses %s as %s, and normalises it to %s', (text, parsed, normalized) => {
    const platform = parsePlatform(text, { default: machine });
    expect(formatPlatform(platform)).toBe(parsed);
    expect(formatPlatform(normalizePlatform(platform))).toBe(normalized);
  });

  test.each([
    ['linux/*', /wildcards/],
    ['linux/arm/v7/x', /more than three parts/],
    ['wasip1', /neither a known operating system nor a known architecture/],
    ['', /not a valid operating system/],
    ['linux/', /not a valid architecture/],
    ['linux(+)/amd64', /not a valid operating system/],
    ['windows(%zz)/amd64', /percent-encoded/],
  ])('rejects %j', (text, reason) => {
    expect(() => parsePlatform(text, { default: machine })).toThrow(reason);
  });

  test('rejects a specifier of one part without a default', () => {
    expect(() => parsePlatform('linux')).toThrow(/architecture is missing/);
    expect(() => parsePlatform('arm64')).toThrow(/operating system is missing/);
  });
});

/** What a host runs, best first. */
describe('preference order', () => {
  const armChain = ['arm/v8', 'arm/v7', 'arm/v6', 'arm/v5'];
  test.each([
    ['amd64', ['amd64', '386']],
    ['amd64/v3', ['amd64/v3', 'amd64/v2', 'amd64', '386']],
    ['386', ['386']],
    ['arm', ['arm/v7', 'arm/v6', 'arm/v5']],
    ['arm/v6', ['arm/v6', 'arm/v5']],
    ['arm/v8', armChain],
    ['arm/v4', ['arm/v4']],
    ['arm64', ['arm64', ...armChain]],
    ['arm64/v8.1', ['arm64/v8.1', 'arm64', ...armChain]],
    [
      'arm64/v9',
      ['arm64/v9', 'arm64/v8.5', 'arm64/v8.4', 'arm64/v8.3', 'arm64/v8.2', 'arm64/v8.1', 'arm64', ...armChain],
    ],
    ['arm64/v10', []],
    ['ppc64le', ['ppc64le']],
    ['ppc64le/power9', ['ppc64le/power9']],
    ['riscv64', ['riscv64']],
  ])('a linux/%s host runs %j', (host, order) => {
    const entries = [
      '386 amd64 amd64/v2 amd64/v3 amd64/v4 arm/v4 arm/v5 arm/v6 arm/v7 arm/v8 arm64 arm64/v8.1 arm64/v8.2 arm64/v8.3',
      'arm64/v8.4 arm64/v8.5 arm64/v9 arm64/v9.1 arm64/v10 ppc64le ppc64le/power9 riscv64 s390x',
    ]
      .join(' ')
      .split(' ')
      .map((name) => ({ name, platform: parsePlatform(`linux/${name}`) }));
    const ranked = rankEntries(entries, parsePlatform(`linux/${host}`)).map((entry) => entry.name);
    expect(ranked).toEqual(order);
  });

  test('an entry without a platform matches every platform, and is ranked last', () => {
    const bare: Selectable = {};
    const exact: Selectable = { platform: parsePlatform('linux/amd64') };
    expect(rankEntries([bare, exact], parsePlatform('linux/amd64'))[0]).toBe(exact);
    expect(rankEntries([bare], parsePlatform('linux/s390x'))[0]).toBe(bare);
    expect(rankEntries([exact], parsePlatform('linux/s390x'))[0]).toBeUndefined();
  });
});

/** Verified combinations of the versions of host and image. */
describe('Windows versions', () => {
  test.each([
    [20348, 20348, true],
    [20348, 17763, false],
    [20348, 26100, false],
    [26100, 20348, true],
    [26100, 26100, true],
    [26100, 25398, true],
    [26200, 26100, true],
    [26200, 20348, false],
    [17763, 17763, true],
    [17763, 14393, false],
  ])('host build %i, image build %i: runs %s', (host, image, runs) => {
    const entry = { platform: parsePlatform(`windows(10.0.${image}.1)/amd64`) };
    const ranked = rankEntries([entry], parsePlatform(`windows(10.0.${host}.9)/amd64`));
    expect(ranked).toEqual(runs ? [entry] : []);
  });
});

describe('properties', () => {
  const part = fc.stringMatching(/^[a-z0-9_]{1,8}$/);
  const option = fc.stringMatching(/^[A-Za-z0-9.%+()/_-]{1,12}$/);
  const platform = fc
    .record(
      {
        architecture: part,
        os: part,
        'os.version': option,
        'os.features': fc.uniqueArray(option, { minLength: 1, maxLength: 3 }),
        variant: part,
      },
      { requiredKeys: ['architecture', 'os'] },
    )
    .map((members) => normalizePlatform(members as Platform));

  test('parsing a formatted platform returns the same platform', () => {
    fc.assert(
      fc.property(platform, (original) => {
        const parsed = parsePlatform(formatPlatform(original, { all: true }));
        expect(samePlatform(parsed, original)).toBe(true);
      }),
    );
  });

  test('a comma-separated list of formatted platforms can be parsed', () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((characters) => !/[*\p{Cc}]/u.test(characters) && characters.isWellFormed());
    const versions = fc.record({ 'os.version': text, 'os.features': fc.uniqueArray(text, { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(versions, { minLength: 1, maxLength: 3 }), (drawn) => {
        const platforms = drawn.map((version) => ({ ...machine, ...version }));
        const typed = platforms.map((item) => formatPlatform(item, { all: true })).join(',');
        const parsed = splitPlatforms(typed).map((item) => parseFormattedPlatform(item));
        expect(parsed.map(platformKey)).toEqual(platforms.map(platformKey));
      }),
    );
  });

  test('normalising a normalised platform changes nothing', () => {
    fc.assert(fc.property(platform, (normalized) => expect(normalizePlatform(normalized)).toEqual(normalized)));
  });

  test('throws only MlistError for any string', () => {
    const pieces = fc.constantFrom(
      'linux',
      'arm',
      '/',
      '(',
      ')',
      '+',
      '%',
      '2F',
      'v7',
      '*',
      '.',
      '..',
      ' ',
      '\u0000',
      'é',
    );
    fc.assert(
      fc.property(
        fc.array(pieces).map((list) => list.join('')),
        (text) => {
          attempt(() => parsePlatform(text, { default: machine }));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

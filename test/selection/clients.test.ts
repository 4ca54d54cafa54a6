import { describe, expect, test } from '@jest/globals';
import { compareClients } from '../../src/selection/compare.ts';
import type { RequestedPlatform, CandidateList } from '../../src/selection/candidates.ts';
import { MAX_REACHED, unreachable } from '../../src/selection/reachability.ts';
import { parsePlatform } from '../../src/oci/platform/platform.ts';
import { makeList, candidatesOf, type ListWords } from '../support/list-notation.ts';

function listOf(words: string, kind: ListWords['kind'] = 'oci'): CandidateList {
  return candidatesOf(makeList({ kind, words }, words));
}

function request(platform: string, more: Partial<RequestedPlatform> = {}): RequestedPlatform {
  return { platform: parsePlatform(platform), ...more };
}

/** The position of the entry that each client selects. */
function selections(list: CandidateList, requested: RequestedPlatform): Readonly<Record<string, string>> {
  return Object.fromEntries(
    compareClients(list, requested).choices.map(({ client, selected }) => [client.id, selected?.place ?? 'none']),
  );
}

function matchesOf(id: string, list: CandidateList, requested: RequestedPlatform): readonly string[] | undefined {
  return compareClients(list, requested)
    .choices.find(({ client }) => client.id === id)
    ?.tries.map(({ descriptor: { platform } }) =>
      platform === undefined ? 'none' : [platform.architecture, platform.variant].filter(Boolean).join('/'),
    );
}

/** Every CPU, worst first, so that the order of preference differs from that of the list. */
const allPlatforms = [
  ...['mips64le', 's390x', 'riscv64', 'ppc64le/power9', 'ppc64le', '386', 'amd64/v4', 'amd64', 'amd64/v2', 'amd64/v3'],
  ...['arm/v4', 'arm/v5', 'arm/v6', 'arm/v7', 'arm/v8', 'arm64/v10', 'arm64/v8', 'arm64/v8.1', 'arm64/v8.5'],
  ...['arm64/v8.7', 'arm64/v9', 'arm64/v9.1', 'arm64/v9.2'],
];
const arm = ['arm/v8', 'arm/v7', 'arm/v6', 'arm/v5'];

describe("containerd's order of candidates", () => {
  test.each<[host: string, order: readonly string[]]>([
    ['amd64', ['amd64', '386']],
    ['amd64/v2', ['amd64/v2', 'amd64', '386']],
    ['amd64/v3', ['amd64/v3', 'amd64/v2', 'amd64', '386']],
    ['amd64/v4', ['amd64/v4', 'amd64/v3', 'amd64/v2', 'amd64', '386']],
    ['386', ['386']],
    ['arm', ['arm/v7', 'arm/v6', 'arm/v5']],
    ['arm/v7', ['arm/v7', 'arm/v6', 'arm/v5']],
    ['arm/v6', ['arm/v6', 'arm/v5']],
    ['arm/v5', ['arm/v5']],
    ['arm/v4', ['arm/v4']],
    ['arm/v8', ['arm/v8', 'arm/v7', 'arm/v6', 'arm/v5']],
    ['arm64', ['arm64/v8', ...arm]],
    ['arm64/v8', ['arm64/v8', ...arm]],
    ['arm64/v8.1', ['arm64/v8.1', 'arm64/v8', ...arm]],
    ['arm64/v9', ['arm64/v9', 'arm64/v8.5', 'arm64/v8.1', 'arm64/v8', ...arm]],
    [
      'arm64/v9.2',
      ['arm64/v9.2', 'arm64/v9.1', 'arm64/v9', 'arm64/v8.7', 'arm64/v8.5', 'arm64/v8.1', 'arm64/v8', ...arm],
    ],
    ['arm64/v10', []],
    ['ppc64le', ['ppc64le']],
    ['ppc64le/power9', ['ppc64le/power9']],
    ['riscv64', ['riscv64']],
    ['s390x', ['s390x']],
    ['mips64le', ['mips64le']],
  ])('linux/%s', (host, order) => {
    const list = listOf(allPlatforms.map((name) => `linux/${name}`).join(' '));
    for (const id of ['containerd', 'docker', 'docker-classic']) {
      expect([id, matchesOf(id, list, request(`linux/${host}`))]).toEqual([id, order]);
    }
  });
});

describe('Windows versions', () => {
  const versions = ['10.0.17763.1', '10.0.20348.1', '10.0.22621.1', '10.0.25398.1', '10.0.26100.1', '10.0.26200.1'];
  const list = listOf(versions.map((version) => `windows/amd64@${version}`).join(' '));
  test.each<[host: string, builds: readonly string[]]>([
    ['10.0.17763.5', ['17763']],
    ['10.0.20348.5', ['20348']],
    ['10.0.22621.5', ['20348', '22621']],
    ['10.0.26100.5', ['20348', '22621', '25398', '26100']],
    ['10.0.26200.5', ['26100', '26200']],
    ['11.0.26200.5', []],
  ])('%s', (host, builds) => {
    const { choices } = compareClients(list, request(`windows(${host})/amd64`));
    const { tries } = choices.find(({ client }) => client.id === 'containerd') ?? { tries: [] };
    expect(tries.map(({ descriptor }) => descriptor.platform?.['os.version']?.split('.')[2])).toEqual(builds);
  });

  test('on Windows, containerd selects the greatest version, classic Docker the build of the host', () => {
    const requested = request('windows(10.0.26100.5)/amd64', { own: true });
    expect(selections(list, requested)).toMatchObject({
      containerd: '5',
      'docker-classic': '5',
      podman: '1',
      'first-match': '1',
    });
    const older = listOf('windows/amd64@10.0.20348.1 windows/amd64@10.0.26100.1 windows/amd64@10.0.26100.9');
    expect(selections(older, requested)).toMatchObject({ containerd: '3', 'docker-classic': '2' });
  });
});

const common = 'linux/amd64 linux/arm64/v8 linux/arm/v7 linux/arm/v6';

describe('selection of each client', () => {
  test.each<[name: string, words: string, platform: string, verdict: string, picks: Readonly<Record<string, string>>]>([
    [
      'the common list',
      common,
      'linux/arm64',
      'same',
      { 'docker-classic': '2', docker: '2', containerd: '2', podman: '2', skopeo: '2', 'first-match': '2' },
    ],
    [
      '32-bit arm on an arm64 host',
      'linux/amd64 linux/arm/v7',
      'linux/arm64',
      'broken',
      { containerd: '2', 'docker-classic': '2', podman: 'none', skopeo: 'none', 'first-match': 'none' },
    ],
    [
      'arm/v6 listed before arm/v7',
      'linux/arm/v6 linux/arm/v7',
      'linux/arm/v7',
      'different',
      { containerd: '2', podman: '2', skopeo: '2', 'first-match': '1' },
    ],
    [
      'arm without a variant: skopeo selects the newest variant',
      'linux/arm/v6 linux/arm/v7 linux/arm/v8',
      'linux/arm',
      'broken',
      { containerd: '2', podman: '2', skopeo: '3', 'first-match': '1' },
    ],
    [
      'a level that was not requested',
      'linux/amd64/v3 linux/amd64',
      'linux/amd64',
      'broken',
      { containerd: '2', podman: '2', 'first-match': '1' },
    ],
    [
      'an alias of the architecture',
      'linux/x86_64',
      'linux/amd64',
      'broken',
      { containerd: '1', docker: '1', podman: 'none', skopeo: 'none', 'first-match': 'none' },
    ],
    [
      'an image without a platform is used last',
      '?linux/amd64 linux/amd64',
      'linux/amd64',
      'same',
      { containerd: '2', 'docker-classic': '2', podman: '2', 'first-match': '2' },
    ],
    [
      'an image without a platform, for another CPU: containerd reads the image config',
      '?linux/s390x',
      'linux/amd64',
      'nothing',
      { containerd: 'none', 'docker-classic': '1', podman: '1', 'first-match': 'none' },
    ],
    [
      'older variants: Docker 20.10 matches them for 32-bit arm only',
      'linux/amd64 linux/arm/v6',
      'linux/amd64/v2',
      'broken',
      { 'docker-classic': '1', 'docker-20.10': 'none' },
    ],
    [
      'no variant of arm that matches: Docker 20.10 uses the first entry for arm',
      'linux/arm/v7 linux/arm/v6',
      'linux/arm/v5',
      'nothing',
      { 'docker-classic': 'none', 'docker-20.10': '1' },
    ],
    [
      'a nested index',
      '[linux/arm64 linux/amd64] linux/s390x',
      'linux/amd64',
      'broken',
      { containerd: '1.2', 'docker-classic': '1.2', podman: 'none', skopeo: 'none', 'first-match': 'none' },
    ],
    [
      'a zstd copy: clients that know its annotation select it',
      'linux/amd64 linux/amd64+zstd',
      'linux/amd64',
      'different',
      { containerd: '1', podman: '2', 'podman-4.6': '1', skopeo: '2', 'skopeo-1.13': '1', 'first-match': '1' },
    ],
    [
      'features that were not requested',
      'linux/amd64&sse5 linux/amd64',
      'linux/amd64',
      'broken',
      { containerd: '2', podman: '1', skopeo: '1', 'first-match': '1' },
    ],
    [
      'no matching entry',
      'linux/s390x unknown/unknown',
      'linux/amd64',
      'nothing',
      { containerd: 'none', docker: 'none', podman: 'none', 'first-match': 'none' },
    ],
    ['no entries', '', 'linux/amd64', 'nothing', { containerd: 'none', podman: 'none', 'first-match': 'none' }],
  ])('%s', (_name, words, platform, verdict, expected) => {
    const list = listOf(words);
    expect(selections(list, request(platform))).toMatchObject(expected);
    expect(compareClients(list, request(platform)).verdict).toBe(verdict);
  });

  test('only Docker uses the level of the CPU of the host', () => {
    const list = listOf('linux/amd64 linux/amd64/v3');
    const requested = request('linux/amd64', { own: true, level: 'v3' });
    expect(selections(list, requested)).toMatchObject({
      'docker-classic': '2',
      docker: '2',
      containerd: '1',
      podman: '1',
    });
    expect(selections(list, request('linux/amd64', { level: 'v3' }))).toMatchObject({ docker: '1', containerd: '1' });
  });

  test('podman detects every arm64 host as v8', () => {
    const list = listOf('linux/arm64 linux/arm64/v8');
    expect(selections(list, request('linux/arm64', { own: true }))).toMatchObject({
      podman: '2',
      skopeo: '2',
      containerd: '1',
    });
    expect(selections(list, request('linux/arm64'))).toMatchObject({ podman: '1', skopeo: '1' });
  });

  test('the zstd annotation has no effect in a Docker list', () => {
    const list = listOf('linux/amd64 linux/amd64+zstd', 'docker');
    expect(selections(list, request('linux/amd64'))).toMatchObject({ podman: '1', skopeo: '1' });
  });

  test('an entry that cannot be read is an error, and not skipped', () => {
    const [first, second] = listOf('?linux/amd64 ?linux/amd64').entries;
    const list = {
      mediaType: listOf('').mediaType,
      entries: [{ place: '1', descriptor: first!.descriptor, fault: 'it is not there' }, second!],
    };
    for (const { client, why, reason } of compareClients(list, request('linux/amd64')).choices) {
      if (client.id === 'first-match' || client.id === 'docker-20.10') expect(why).toBe('none');
      else
        expect([client.id, why, reason]).toEqual([client.id, 'refused', expect.stringMatching(/entry 1, .*not there/)]);
    }
  });

  test.each<[words: string, why: string, reason: string]>([
    ['/amd64', 'exact', 'exact match; its os is empty and treated as linux'],
    ['/386', 'compatible', 'best match that a linux/amd64 host can run; its os is empty and treated as linux'],
    ['linux/amd64', 'exact', 'exact match'],
  ])('the reason of containerd reports that an empty os is replaced: %s', (words, why, reason) => {
    const { choices } = compareClients(listOf(words), request('linux/amd64'));
    for (const id of ['containerd', 'docker-classic'])
      expect(choices.find(({ client }) => client.id === id)).toMatchObject({ why, reason });
  });

  test('all clients pull a single image whatever its platform is', () => {
    const [entry] = listOf('linux/arm64').entries;
    const { choices, verdict } = compareClients(
      { mediaType: 'application/vnd.oci.image.manifest.v1+json', entries: [entry!] },
      request('linux/amd64'),
    );
    expect(verdict).toBe('nothing');
    expect(choices.map(({ why, selected, fits }) => [why, selected?.place, fits])).toEqual(
      choices.map(() => ['only', '1', false]),
    );
  });
});

describe('entries that no client can select', () => {
  test.each<[name: string, words: string, unreachable: Readonly<Record<string, string>>]>([
    ['the common list has none', common, {}],
    ['the second entry for a platform', 'linux/amd64 linux/arm64 linux/amd64', { '3': 'shadowed' }],
    [
      'the second entry, spelled differently, is selected by clients without normalisation',
      'linux/arm64 linux/arm64/v8',
      {},
    ],
    ['a zstd copy is selected by clients that know it', 'linux/amd64 linux/amd64+zstd', {}],
    ['the second zstd copy', 'linux/amd64 linux/amd64+zstd linux/amd64+zstd', { '3': 'shadowed' }],
    ['unknown/unknown', 'linux/amd64 unknown/unknown', { '2': 'unknown' }],
    ['a version of linux', 'linux/amd64@1 linux/amd64@2', { '2': 'shadowed' }],
    ['every Windows version can be selected', 'windows/amd64@10.0.17763.1 windows/amd64@10.0.20348.1', {}],
    ['the second entry without a platform', '?linux/amd64 ?linux/arm64', { '2': 'shadowed' }],
    ['an index without a platform is used last', '[linux/amd64 linux/arm64] linux/amd64', { '1.1': 'shadowed' }],
    ['an index with a platform keeps its position', '[linux/amd64]linux/amd64 linux/amd64', { '2': 'shadowed' }],
    ['an index after the images that it contains', 'linux/amd64 linux/arm64 [linux/amd64]', { '3.1': 'shadowed' }],
    ['levels', 'linux/amd64/v4 linux/amd64/v3 linux/amd64/v2 linux/amd64', {}],
    ['older variants', 'linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm/v8', {}],
    ['an unknown variant is selected if it is requested', 'linux/amd64 linux/arm64/v10', {}],
  ])('%s', (_name, words, expected) => {
    const entries = unreachable(listOf(words)) ?? [];
    expect(Object.fromEntries(entries.map(({ entry, why }) => [entry.place, why]))).toEqual(expected);
  });

  test('the reason states the position of an image that a nested index contains', () => {
    expect(unreachable(listOf('[linux/amd64 linux/amd64]'))).toMatchObject([
      { entry: { place: '1.2' }, why: 'shadowed', reason: 'clients for linux/amd64 select entry 1.1 instead' },
    ]);
  });

  test('is undefined for a list with too many images', () => {
    const words = Array.from({ length: MAX_REACHED }, (_, at) => `linux/amd64@${at}`).join(' ');
    expect(unreachable(listOf(words))).toHaveLength(MAX_REACHED - 1);
    expect(unreachable(listOf(`${words} linux/arm64`))).toBeUndefined();
  });
});

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import type { Explained } from '../../src/operations/explain/explain.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, type Served } from '../support/images.ts';
import { putDocument, putImage } from '../support/layouts.ts';
import { makeList, pushList, type BuiltList } from '../support/list-notation.ts';
import { CliHarness } from '../support/cli-harness.ts';

let registry: RunningRegistry;
let cli: CliHarness;
beforeAll(async () => {
  registry = await startRegistry();
  cli = await CliHarness.make();
});
afterAll(() => registry.close());

let count = 0;
async function pushed(words: string): Promise<{ readonly ref: string; readonly list: BuiltList }> {
  const tag = `l${(count += 1)}`;
  const list = makeList({ kind: 'oci', words }, tag);
  await pushList(registry.url, 'team/app', tag, list);
  return { ref: `${registry.host}/team/app:${tag}`, list };
}

function picksOf({ platforms }: Explained): Readonly<Record<string, string>> {
  return Object.fromEntries((platforms[0]?.clients ?? []).map(({ id, picked }) => [id, picked?.place ?? 'none']));
}

describe('explain', () => {
  test('prints one block per client with the reason, and this machine at the end', async () => {
    const { ref, list } = await pushed('linux/amd64 linux/arm64/v8 linux/arm/v7 linux/amd64 unknown/unknown');
    const { code, stdout, stderr } = await cli.run(['explain', ref, '--platform', 'linux/arm64']);
    expect(code).toBe(0);
    expect(stdout).toContain(`digest  ${list.list.digest}`);
    expect(stdout).toMatch(/^ {2}4 {2}linux\/amd64 .*no client selects it: .* select entry 1 instead$/m);
    expect(stdout).toContain('linux/arm64: all clients get the same image');
    for (const name of ['Docker, classic store', 'Docker, containerd store', 'containerd', 'podman, buildah', 'skopeo'])
      expect(stdout).toMatch(new RegExp(`^${name} .*\n {2}picks {3}entry 2, linux/arm64/v8, sha256:`, 'm'));
    expect(stdout).toMatch(/^ {2}because exact match$/m);
    expect(stdout).toMatch(/^ {2}wants {3}linux\/arm64, linux\/arm\/v8, linux\/arm\/v7/m);
    expect(stdout).toMatch(/^ {2}tries {3}entries 2, 3$/m);
    expect(stdout).toMatch(/^this machine .*\n {2}entry 2, linux\/arm64\/v8: (?:native|emulated|no|unknown), /m);
    expect(stderr).toMatch(/no client selects entry 4 .*select entry 1 instead/);
    expect(stderr).toMatch(/no client selects entry 5 .*no client requests/);
    expect(stderr).not.toMatch(/the platform of this machine/);
  });

  test('without --platform: uses this machine, and reports that on stderr', async () => {
    const { ref } = await pushed('linux/amd64 linux/arm64');
    const { stderr, stdout } = await cli.run(['explain', ref]);
    const [, platform] =
      /^using (linux\/\S+), the platform of this machine; choose another with --platform$/m.exec(stderr) ?? [];
    expect(stdout).toContain(`${String(platform)}: `);
    const { platforms } = await cli.json<Explained>('explain', ref);
    expect(platforms.map((one) => [one.platform, one.isOwn])).toEqual([[platform, true]]);
  });

  test('accepts several platforms, repeated or separated by commas, with aliases', async () => {
    const { ref } = await pushed('linux/amd64 linux/arm64/v8 linux/arm/v7');
    const args = ['--platform', 'x86_64,linux/aarch64', '--platform', 'linux/arm/v7', '--platform', 'linux/amd64/v1'];
    const { platforms } = await cli.json<Explained>('explain', ref, ...args);
    expect(platforms.map(({ platform }) => platform)).toEqual([
      'linux/amd64',
      'linux/arm64',
      'linux/arm/v7',
      'linux/amd64/v1',
    ]);
  });

  test.each<[words: string, platform: string, verdict: string, warning: RegExp]>([
    [
      'linux/arm/v6 linux/arm/v7',
      'linux/arm/v7',
      'different',
      /for linux\/arm\/v7, clients get different images: .*entry 1 for .*first-match/,
    ],
    [
      'linux/arm/v7',
      'linux/arm64',
      'broken',
      /for linux\/arm64, some clients get no image that runs on the requested platform: .*no image for .*podman, skopeo, first-match/,
    ],
    ['linux/amd64/v3 linux/amd64', 'linux/amd64', 'broken', /entry 1 \(cannot run\) for .*first-match/],
    ['linux/amd64 linux/amd64+zstd', 'linux/amd64', 'different', /entry 2 for .*podman, skopeo.*zstd twins/],
    [
      'linux/s390x',
      'linux/amd64',
      'nothing',
      /for linux\/amd64, no client gets an image that runs on the requested platform/,
    ],
    ['linux/amd64', 'linux/amd64', 'same', /^(?!.*warning)/s],
  ])('%s for %s: %s', async (words, platform, verdict, warning) => {
    const { ref } = await pushed(words);
    const explained = await cli.json<Explained>('explain', ref, '--platform', platform);
    expect(explained.platforms[0]?.verdict).toBe(verdict);
    expect((await cli.run(['explain', ref, '--platform', platform])).stderr).toMatch(warning);
  });

  test('does not warn about the attestation of a build', async () => {
    await pushBuild(registry.url, 'team/app', 'built', [{ architecture: 'amd64', os: 'linux' }]);
    const args = ['explain', `${registry.host}/team/app:built`, '--platform', 'linux/amd64'];
    const { entries, unreachable, platforms } = await cli.json<Explained>(...(args as [string]));
    expect(entries.map(({ kind }) => kind)).toEqual(['image', 'attestation']);
    expect(unreachable?.map(({ place, why }) => [place, why])).toEqual([['2', 'attestation']]);
    expect(platforms[0]?.verdict).toBe('same');
    expect((await cli.run(args)).stderr).not.toMatch(/warning/);
  });

  test('a single image: all clients select it, and its config states its platform', async () => {
    const platform = { architecture: 'arm', os: 'linux', variant: 'v7' };
    await pushImage(registry.url, 'team/app', 'single', makeImage({ platform }));
    const ref = `${registry.host}/team/app:single`;
    const explained = await cli.json<Explained>('explain', ref, '--platform', 'linux/arm/v7');
    expect(explained.entries).toMatchObject([{ place: '1', stated: 'linux/arm/v7' }]);
    expect(explained.platforms[0]).toMatchObject({ verdict: 'same' });
    const other = await cli.json<Explained>('explain', ref, '--platform', 'linux/amd64');
    expect(other.platforms[0]).toMatchObject({ verdict: 'nothing' });
    expect(picksOf(other)).toMatchObject({ containerd: '1', podman: '1' });
  });

  test('a draft, a layout and an archive have the same result', async () => {
    const { ref } = await pushed('linux/amd64 ?linux/s390x [linux/riscv64 linux/arm/v7]linux/arm64');
    const own = await CliHarness.make();
    await own.must('copy', ref, 'oci:layout:v1');
    await own.must('copy', ref, 'oci-archive:file.tar:v1');
    const args = ['--platform', 'linux/s390x,linux/riscv64,linux/arm64'];
    const alike = async (name: string) => ({
      ...(await own.json<Explained>('explain', name, ...args)),
      from: '',
      ref: '',
    });
    const expected = await alike(ref);
    for (const name of ['oci:layout:v1', 'oci-archive:file.tar']) expect(await alike(name)).toEqual(expected);
    await own.must('create', 'team/draft:v1', ref);
    const drafted = await own.json<Explained>('explain', ...args);
    expect(drafted.from).toBe('draft');
    expect(drafted.entries.length).toBeGreaterThanOrEqual(3);
  });

  test('reports a missing child with its entry', async () => {
    const own = await CliHarness.make();
    const [available, gone] = [makeImage({ kind: 'oci' }), makeImage({ kind: 'oci', salt: 'gone' })];
    const index = makeIndex([entryOf(gone), entryOf(available, { architecture: 'amd64', os: 'linux' })]);
    const layout = await openLayout(join(own.folder, 'layout'), { create: true });
    await putImage(layout, available);
    await putImage(layout, gone);
    await putDocument(layout, index, 'v1');
    await rm(join(own.folder, 'layout', 'blobs', 'sha256', gone.digest.slice('sha256:'.length)));
    const explained = await own.json<Explained>('explain', 'oci:layout:v1', '--platform', 'linux/s390x');
    expect(explained.entries[0]).toMatchObject({ fault: 'the content is missing' });
    expect(explained.platforms[0]?.clients.map(({ id, why }) => [id, why])).toEqual(
      expect.arrayContaining([
        ['containerd', 'refused'],
        ['podman', 'refused'],
        ['first-match', 'none'],
      ]),
    );
  });

  test('follows nested indexes to a limited depth', async () => {
    let inner: Served = makeList({ kind: 'oci', words: '' }, 'deep').list;
    for (let depth = 0; depth < 8; depth += 1) {
      await putManifest(registry.url, 'team/app', inner.digest, inner.mediaType, inner.bytes);
      inner = makeIndex([{ ...descriptorOf(inner), platform: { os: 'linux', architecture: 'amd64' } }]);
    }
    await putManifest(registry.url, 'team/app', 'deep', inner.mediaType, inner.bytes);
    const { entries, platforms } = await cli.json<Explained>(
      ...(['explain', `${registry.host}/team/app:deep`, '--platform', 'linux/amd64'] as const),
    );
    expect(entries.at(-1)).toMatchObject({ place: '1.1.1.1', fault: 'the index is nested too deeply' });
    expect(platforms[0]?.verdict).toBe('nothing');
  });

  test('reads a list that nests millions of entries once, and not completely', async () => {
    const many = (one: Served) =>
      makeIndex(
        Array.from({ length: 150 }, () => ({ ...descriptorOf(one), platform: { os: 'linux', architecture: 'arm' } })),
      );
    let list: Served = makeList({ kind: 'oci', words: '' }, 'many').list;
    for (let depth = 0; depth < 4; depth += 1) {
      await putManifest(registry.url, 'team/app', list.digest, list.mediaType, list.bytes);
      list = many(list);
    }
    await putManifest(registry.url, 'team/app', 'many', list.mediaType, list.bytes);
    const { code, stdout, stderr } = await cli.run([
      'explain',
      `${registry.host}/team/app:many`,
      '--platform',
      'linux/arm',
      '--debug',
    ]);
    expect(code).toBe(0);
    expect(stderr.match(/^debug: GET .*manifests/gm)?.length).toBeLessThanOrEqual(4);
    expect(stdout.split('\n').length).toBeLessThan(15_000);
    expect(stdout).toContain('not read: ');
  });

  test.each<[name: string, args: readonly string[], code: number]>([
    ['an invalid platform', ['explain', 'x.io/a:b', '--platform', 'linux'], 2],
    ['too many arguments', ['explain', 'x.io/a:b', 'x.io/c:d'], 2],
    ['a missing file', ['explain', 'oci:nowhere:v1'], 4],
    ['no list', ['explain'], 4],
  ])('%s', async (_name, args, code) => {
    const fresh = await CliHarness.make();
    expect((await fresh.run(args)).code).toBe(code);
  });
});

function descriptorOf({ mediaType, digest, bytes }: Served): object {
  return { mediaType, digest, size: bytes.length };
}

describe('resolve selects what explain reports for containerd', () => {
  test.each<[words: string, platform: string]>([
    ['linux/amd64 linux/arm64/v8 linux/arm/v7', 'linux/arm64'],
    ['linux/amd64 linux/arm/v7', 'linux/arm64'],
    ['?linux/s390x linux/amd64', 'linux/s390x'],
    ['?linux/s390x', 'linux/amd64'],
    ['[linux/amd64 linux/arm64] linux/s390x', 'linux/arm64'],
    ['[linux/amd64]linux/arm64', 'linux/arm64'],
    ['unknown/unknown linux/riscv64', 'linux/amd64'],
    ['linux/amd64/v3 linux/amd64', 'linux/amd64/v4'],
    ['-/amd64', 'linux/amd64'],
  ])('%s for %s', async (words, platform) => {
    const { ref, list } = await pushed(words);
    const { platforms } = await cli.json<Explained>('explain', ref, '--platform', platform);
    const place = platforms[0]?.clients.find(({ id }) => id === 'containerd')?.picked?.place;
    const { code, stdout } = await cli.run(['resolve', ref, '--platform', platform]);
    expect([code, stdout.trim()]).toEqual(place === undefined ? [4, ''] : [0, list.byPlace.get(place)?.digest]);
  });
});

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Problem } from '../../src/errors/errors.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from '../support/buildx.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, sha256, type Image } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** `validate --deep`: the content of a list exists and matches the list. */
let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
const requests: string[] = [];

const image = (architecture: string, more: object = {}): Image =>
  makeImage({ kind: 'oci', salt: architecture, platform: { architecture, os: 'linux', ...more } });
const amd64 = image('amd64');
const arm64 = image('arm64', { variant: 'v8' });

beforeAll(async () => {
  registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
  for (const one of [amd64, arm64]) await pushImage(registry.url, 'team/app', undefined, one);
});
afterAll(() => registry.close());
afterEach(() => proxy.close());
beforeEach(async () => {
  proxy = await RecordingProxy.start({ upstream: registry.url });
  cli = await CliHarness.make();
  requests.length = 0;
});

interface Checked {
  readonly valid: boolean;
  readonly problems: readonly Problem[];
  readonly checked: { readonly manifests: number; readonly blobs: number };
}

async function deep(name: string, ...more: readonly string[]): Promise<Checked & { readonly code: number }> {
  const { code, stdout, stderr } = await cli.run(['validate', '--deep', name, '--json', ...more]);
  if (stdout === '') throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Checked), code };
}

const brief = ({ problems }: Checked) =>
  problems.map(({ rule, severity, pointer }) => `${severity} ${rule} ${pointer}`);

async function put(tag: string, entries: readonly object[], host = registry.host): Promise<string> {
  const index = makeIndex(entries);
  await putManifest(registry.url, 'team/app', tag, index.mediaType, index.bytes);
  return `${host}/team/app:${tag}`;
}

const linux = (architecture: string, more: object = {}) => ({ architecture, os: 'linux', ...more });

describe('a list in a registry', () => {
  test('without problems: reads each digest once', async () => {
    const twice = entryOf(amd64, linux('amd64', { variant: 'v2' }));
    const list = await put('good', [entryOf(amd64, linux('amd64')), entryOf(arm64, linux('arm64'))]);
    requests.length = 0;
    const result = await deep(list);
    expect(result).toMatchObject({ code: 0, valid: true, problems: [], checked: { manifests: 2, blobs: 4 } });
    expect(requests).toHaveLength(1 + 2 + 2 + 2);
    expect(new Set(requests).size).toBe(requests.length);
    expect(requests.filter((line) => line.startsWith('HEAD'))).toHaveLength(2);
    const shared = await put('shared', [entryOf(amd64, linux('amd64')), twice]);
    requests.length = 0;
    await deep(shared, '--allow-duplicates');
    expect(requests).toHaveLength(1 + 1 + 2);
  });

  test.each<[string, () => object, readonly string[]]>([
    ['another architecture', () => entryOf(amd64, linux('s390x')), ['error E-PLAT-CONFIG /manifests/1/platform']],
    [
      'another system',
      () => entryOf(amd64, { architecture: 'amd64', os: 'freebsd' }),
      ['error E-PLAT-CONFIG /manifests/1/platform'],
    ],
    ['the same, spelled differently', () => entryOf(arm64, linux('arm64')), []],
    [
      'a variant that the config leaves open',
      () => entryOf(amd64, linux('amd64', { variant: 'v3' })),
      ['warning E-PLAT-CONFIG /manifests/1/platform'],
    ],
    [
      'another variant',
      () => entryOf(arm64, linux('arm64', { variant: 'v9' })),
      ['error E-PLAT-CONFIG /manifests/1/platform'],
    ],
  ])('%s', async (name, entry, problems) => {
    const first = makeImage({ kind: 'oci', salt: 'other', platform: linux('ppc64le') });
    await pushImage(registry.url, 'team/app', undefined, first);
    const list = await put(`case-${name.replaceAll(/[^a-z]/g, '')}`, [entryOf(first, linux('ppc64le')), entry()]);
    const result = await deep(list);
    expect(brief(result).filter((line) => /E-(?:PLAT-CONFIG|ABSENT|CONTENT)/.test(line))).toEqual(problems);
    expect(result.code).toBe(problems.some((line) => line.startsWith('error')) ? 3 : 0);
    if (problems.length > 0) expect((await deep(list, '--strict')).code).toBe(3);
  });

  test('a wrong size', async () => {
    const wrong = makeIndex([{ ...entryOf(arm64, linux('arm64')), size: 7 }]);
    proxy.on(/manifests\/wrong-size$/, answer(200, { 'content-type': wrong.mediaType }, wrong.bytes));
    const result = await deep(`${proxy.host}/team/app:wrong-size`);
    expect([result.code, brief(result)]).toEqual([3, ['error E-CONTENT /manifests/0']]);
  });

  test('a missing image', async () => {
    proxy.on(new RegExp(`manifests/${arm64.digest}`), ({ response }) => void response.writeHead(404).end());
    const list = await put('gone', [entryOf(amd64, linux('amd64')), entryOf(arm64, linux('arm64'))], proxy.host);
    const result = await deep(list);
    expect([result.code, brief(result)]).toEqual([3, ['error E-ABSENT /manifests/1']]);
  });

  test('reports a missing layer and config once, with the entry', async () => {
    const [config, layer] = amd64.blobs.map(sha256);
    proxy.on(new RegExp(`^HEAD .*${layer ?? ''}`), ({ response }) => void response.writeHead(404).end());
    proxy.on(new RegExp(`^GET .*${config ?? ''}`), ({ response }) => void response.writeHead(404).end());
    const list = await put('holes', [entryOf(amd64, linux('amd64')), entryOf(arm64, linux('arm64'))], proxy.host);
    const result = await deep(list);
    expect(brief(result)).toEqual(['error E-ABSENT /manifests/0', 'error E-ABSENT /manifests/0']);
    expect(result.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining(config ?? ''),
      expect.stringContaining(layer ?? ''),
    ]);
  });
});

describe('attestations, Windows and nested lists', () => {
  test('checks attestations like images, but not their platform', async () => {
    const built = await pushBuild(registry.url, 'team/app', 'built', [linux('amd64'), linux('arm64')], 'deep');
    const result = await deep(`${registry.host}/team/app:built`);
    expect(result).toMatchObject({ code: 0, problems: [], checked: { manifests: 4, blobs: 8 } });
    const [first, second] = built.images;
    const orphan = makeIndex([
      entryOf(first!, linux('amd64')),
      entryOf(
        built.attestations[1]!,
        { architecture: 'unknown', os: 'unknown' },
        {
          annotations: {
            'vnd.docker.reference.digest': second!.digest,
            'vnd.docker.reference.type': 'attestation-manifest',
          },
        },
      ),
    ]);
    await putManifest(registry.url, 'team/app', 'orphan', orphan.mediaType, orphan.bytes);
    expect(brief(await deep(`${registry.host}/team/app:orphan`))).toEqual([
      'warning W-ATT-ORPHAN /manifests/1/annotations',
    ]);
  });

  test('a Windows version that the entry lacks, or that differs from the config', async () => {
    const on = (version: string) => ({ architecture: 'amd64', os: 'windows', 'os.version': version });
    const built = makeImage({ kind: 'oci', salt: 'windows', platform: on('10.0.20348.1') });
    await pushImage(registry.url, 'team/app', undefined, built);
    const without = await put('windows-none', [entryOf(built, { architecture: 'amd64', os: 'windows' })]);
    expect(brief(await deep(without))).toEqual([
      'warning W-WIN-OSVER /manifests/0/platform',
      'warning E-PLAT-CONFIG /manifests/0/platform',
    ]);
    const other = await put('windows-other', [entryOf(built, on('10.0.17763.1'))]);
    expect(brief(await deep(other))).toEqual(['error E-PLAT-CONFIG /manifests/0/platform']);
  });

  test('checks the children of a nested index, and reports their place in the list', async () => {
    const gone = image('riscv64');
    await pushImage(registry.url, 'team/app', undefined, gone);
    proxy.on(new RegExp(`manifests/${gone.digest}`), ({ response }) => void response.writeHead(404).end());
    const inner = makeIndex([entryOf(amd64, linux('s390x')), entryOf(gone, linux('riscv64'))]);
    await putManifest(registry.url, 'team/app', inner.digest, inner.mediaType, inner.bytes);
    const list = await put(
      'nested',
      [entryOf(amd64, linux('amd64')), { mediaType: inner.mediaType, digest: inner.digest, size: inner.bytes.length }],
      proxy.host,
    );
    expect(brief(await deep(list)).filter((line) => line.startsWith('error'))).toEqual([
      'error E-PLAT-CONFIG /manifests/1/platform',
      'error E-ABSENT /manifests/1',
    ]);
  });
});

describe('outside registries', () => {
  test('a draft: reads each entry from its source, and nothing from the cache', async () => {
    const sources = [amd64, arm64].map(({ digest }) => `${registry.host}/team/app@${digest}`);
    await cli.must('create', 'x.example/team/draft:1', ...sources);
    requests.length = 0;
    expect(await deep('x.example/team/draft:1')).toMatchObject({ code: 0, problems: [] });
    expect(requests.filter((line) => line.startsWith('GET'))).toEqual([]);
    await cli.must('annotate', 'x.example/team/draft:1', '--platform', 'linux/amd64', '--arch', 's390x');
    expect(brief(await deep('x.example/team/draft:1'))).toContain('error E-PLAT-CONFIG /manifests/0/platform');
  });

  test.each(['oci:%', 'oci-archive:%.tar'])('%s: the bytes are read and checked', async (pattern) => {
    const list = await put('local', [entryOf(amd64, linux('amd64')), entryOf(arm64, linux('arm64'))]);
    const location = `${pattern.replace('%', 'local')}:v1`;
    await cli.must('copy', list, location);
    expect(await deep(location)).toMatchObject({ code: 0, problems: [], checked: { manifests: 2, blobs: 4 } });
    if (!pattern.startsWith('oci:')) return;
    const hexOf = (bytes: Buffer) => sha256(bytes).replace('sha256:', '');
    const [config, layer] = amd64.blobs;
    await rm(join(cli.folder, 'local', 'blobs', 'sha256', hexOf(config!)));
    await writeFile(join(cli.folder, 'local', 'blobs', 'sha256', hexOf(layer!)), Buffer.alloc(layer!.length));
    expect(brief(await deep(location)).sort()).toEqual(['error E-ABSENT /manifests/0', 'error E-CONTENT /manifests/0']);
  });

  test('a docker archive: checks its image', async () => {
    await cli.must('copy', `${registry.host}/team/app@${amd64.digest}`, 'oci-archive:one.tar:team/app:v1');
    const { ref, ...result } = await cli.json<Checked & { ref: string }>(
      'validate',
      '--deep',
      'docker-archive:one.tar',
    );
    expect([ref, result]).toMatchObject([
      'docker-archive:one.tar',
      { valid: true, checked: { manifests: 0, blobs: 2 } },
    ]);
  });

  test('a file, and stdin: in the repository of --repo', async () => {
    const index = makeIndex([entryOf(amd64, linux('amd64')), entryOf(image('mips64le'), linux('mips64le'))]);
    await writeFile(join(cli.folder, 'index.json'), index.bytes);
    const repository = `${registry.host}/team/app`;
    expect(brief(await deep('./index.json', '--repo', repository))).toEqual(['error E-ABSENT /manifests/1']);
    const { code, stdout } = await cli.run(['validate', '--deep', '-', '--repo', repository], { stdin: amd64.bytes });
    expect([code, stdout]).toEqual([0, '']);
    const without = await cli.run(['validate', '--deep', './index.json']);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('--repo')]);
    expect((await cli.run(['validate', './index.json', '--repo', repository])).code).toBe(2);
  });

  test("a draft's file needs no repository", async () => {
    await cli.must('init');
    await cli.must('create', 'x.example/team/draft:2', `${registry.host}/team/app@${amd64.digest}`);
    const { drafts } = await cli.json<{ drafts: readonly { path: string }[] }>('ls');
    expect(await deep(drafts[0]?.path ?? '')).toMatchObject({
      code: 0,
      problems: [],
      checked: { manifests: 1, blobs: 2 },
    });
  });
});

describe('errors', () => {
  test('does not report a registry error as a problem of the list', async () => {
    const list = await put('failing', [entryOf(amd64, linux('amd64'))], proxy.host);
    proxy.on(/^(?:HEAD|GET) .*blobs/, answer(500));
    const { code, stdout } = await cli.run(['validate', '--deep', list, '--json', '--retries', '0']);
    expect([code, stdout]).toEqual([7, '']);
  });
});

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from '../support/buildx.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Lists of build results: digest files, metadata files, and the output of docker/metadata-action. */
let registry: RunningRegistry;
let cli: CliHarness;
let at: (name: string) => string;
const requests: string[] = [];

const image = (architecture: string, more: object = {}): Image =>
  makeImage({ kind: 'oci', salt: architecture, platform: { architecture, os: 'linux' }, ...more });
const amd64 = image('amd64');
const arm64 = image('arm64');
const hexOf = ({ digest }: Image) => digest.replace('sha256:', '');

beforeAll(async () => {
  registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
  at = (name) => `${registry.host}/${name}`;
  for (const repository of ['team/app', 'team/other']) {
    await pushImage(registry.url, repository, 'amd64', amd64);
    await pushImage(registry.url, repository, 'arm64', arm64);
  }
});
afterAll(() => registry.close());
beforeEach(async () => {
  cli = await CliHarness.make();
  requests.length = 0;
});

async function files(folder: string, names: readonly string[]): Promise<void> {
  await mkdir(join(cli.folder, folder), { recursive: true });
  await Promise.all(names.map((name) => writeFile(join(cli.folder, folder, name), '')));
}

interface Listed {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly manifests: readonly Descriptor[];
}

const inspected = async (...list: readonly string[]): Promise<Listed> =>
  JSON.parse(await cli.must('inspect', ...list)) as Listed;
const digests = async (): Promise<readonly string[]> => (await inspected()).manifests.map(({ digest }) => digest);
const sorted = [amd64, arm64].map(({ digest }) => digest).sort();

describe('--digests-dir', () => {
  test.each(['', 'sha256-', 'sha256:'])('files named %s<hex>', async (prefix) => {
    await files(
      'digests',
      [amd64, arm64].map((one) => prefix + hexOf(one)),
    );
    await cli.must('create', at('team/app:merged'), '--digests-dir', 'digests');
    expect(await digests()).toEqual(sorted);
  });

  test('looks digests up in --repo', async () => {
    await files('digests', [hexOf(amd64), hexOf(arm64)]);
    const { entries } = await cli.json<{ entries: { source: string }[] }>(
      'create',
      at('team/app:merged'),
      '--digests-dir',
      'digests',
      '--repo',
      at('team/other'),
    );
    expect(entries.map(({ source }) => source)).toEqual(sorted.map((digest) => at(`team/other@${digest}`)));
  });

  test.each<[string, readonly string[], number, RegExp]>([
    ['nothing', [], 3, /the folder is empty/],
    ['something else', ['README', 'a'.repeat(64), 'sha256-12'], 3, /digest: README, sha256-12/],
    ['upper case', ['A'.repeat(64)], 3, /digest: A{64}/],
    ['a missing image', ['a'.repeat(64)], 4, /a{64}/],
  ])('refuses %s', async (_name, names, code, message) => {
    await files('digests', names);
    const result = await cli.run(['create', at('team/app:merged'), '--digests-dir', 'digests']);
    expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)]);
    expect(await cli.must('ls')).toBe('');
  });

  test.each<[string, readonly string[], number, RegExp]>([
    ['a missing folder', ['--digests-dir', 'none'], 4, /no such file or directory/],
    ['--repo with a tag', ['--digests-dir', 'digests', '--repo', 'a/b:c'], 2, /without a tag/],
    ['--repo alone', ['--repo', 'a/b'], 2, /--digests-dir/],
  ])('%s', async (_name, args, code, message) => {
    await files('digests', [hexOf(amd64)]);
    const result = await cli.run(['create', at('team/app:merged'), ...args]);
    expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)]);
  });
});

describe('--metadata-file', () => {
  const metadata = (one: Image, name?: string) => ({
    'buildx.build.ref': 'builder/builder0/abc',
    'containerimage.descriptor': { mediaType: one.mediaType, digest: one.digest, size: one.bytes.length },
    'containerimage.digest': one.digest,
    ...(name === undefined ? {} : { 'image.name': name }),
  });

  test('of several builds, of several targets, and of imagetools', async () => {
    const write = (name: string, value: object) => writeFile(join(cli.folder, name), JSON.stringify(value));
    await write('one.json', metadata(amd64, `docker.io/else/where:1,${at('team/app:x')}`));
    const { 'containerimage.digest': digest, ...imagetools } = metadata(arm64, at('team/other'));
    expect(digest).toBe(arm64.digest);
    await write('two.json', imagetools);
    await cli.must('create', at('team/app:built'), '--metadata-file', 'one.json', '--metadata-file', 'two.json');
    expect(await digests()).toEqual([amd64.digest, arm64.digest]);
    await write('bake.json', { app: metadata(amd64), tool: metadata(arm64), 'buildx.build.warnings': [] });
    await cli.must('create', at('team/app:baked'), '--metadata-file', 'bake.json');
    expect(await digests()).toEqual([amd64.digest, arm64.digest]);
  });

  test('reads what push --metadata-file has written', async () => {
    await cli.must('create', at('team/app:first'), at('team/app:amd64'), at('team/app:arm64'));
    const digest = await cli.must('push', '--metadata-file', join(cli.folder, 'pushed.json'));
    await cli.must('create', at('team/app:second'), '--metadata-file', 'pushed.json');
    expect(await cli.must('push')).toBe(digest);
  });

  test.each<[string, string, RegExp]>([
    ['no metadata', '{"mediaType": "x"}', /not the metadata of a build/],
    ['invalid JSON', 'team/app:1', /cannot be used/],
    ['an invalid digest', '{"containerimage.digest": "x"}', /it has no valid "containerimage.digest"/],
  ])('%s is refused', async (_name, text, message) => {
    await writeFile(join(cli.folder, 'bad.json'), text);
    const result = await cli.run(['create', at('team/app:bad'), '--metadata-file', 'bad.json']);
    expect([result.code, result.stderr]).toEqual([3, expect.stringMatching(message)]);
  });
});

describe('--docker-metadata', () => {
  const json = (annotations: readonly string[], tags = ['1.0', 'latest']) =>
    JSON.stringify({
      tags: tags.map((tag) => at(`team/app:${tag}`)),
      labels: { 'org.opencontainers.image.title': 'label', 'org.opencontainers.image.licenses': 'MIT' },
      annotations,
    });

  test('the first tag is the list, push writes all tags, and the list gets the annotations that it can have', async () => {
    const env = {
      DOCKER_METADATA_OUTPUT_JSON: json([
        'manifest:org.opencontainers.image.title=manifest',
        'manifest,index:org.opencontainers.image.description=a=b: c',
        'index:org.opencontainers.image.title=index',
        'manifest-descriptor:x.all=1',
        'manifest-descriptor[linux/arm64/v8]:x.arm=2',
        'index-descriptor:x.none=3',
        'manifest[linux/amd64]:x.none=4',
        'x:plain=5',
      ]),
    };
    await files('digests', [hexOf(amd64), hexOf(arm64)]);
    const created = await cli.run(
      ['create', '--docker-metadata', 'env', '--digests-dir', 'digests', '--index-annotation', 'mine=6'],
      { env },
    );
    expect([created.code, created.stdout]).toEqual([0, `Created manifest list ${at('team/app:1.0')}\n`]);
    expect(created.stderr).toMatch(
      /the annotation index-descriptor:x\.none=3 is skipped[^]*manifest\[linux\/amd64\]:x\.none=4 is skipped/,
    );
    const { annotations, manifests } = await inspected();
    expect(annotations).toEqual({
      'org.opencontainers.image.title': 'index',
      'org.opencontainers.image.licenses': 'MIT',
      'org.opencontainers.image.description': 'a=b: c',
      'x:plain': '5',
      mine: '6',
    });
    const of = (digest: string) => manifests.find((entry) => entry.digest === digest)?.annotations;
    expect([of(amd64.digest), of(arm64.digest)]).toEqual([{ 'x.all': '1' }, { 'x.all': '1', 'x.arm': '2' }]);
    const { stdout } = await cli.run(['push', '--docker-metadata', 'env'], { env });
    for (const tag of ['1.0', 'latest'])
      expect((await getManifest(registry.url, 'team/app', tag))?.digest).toBe(stdout.trim());
  });

  test('refuses a single argument if there are no tags, because it could be the list or an image', async () => {
    const env = { DOCKER_METADATA_OUTPUT_JSON: json([], []) };
    const run = (...args: readonly string[]) => cli.run(['create', ...args, '--docker-metadata', 'env'], { env });
    const [image, list] = [at('team/app:amd64'), at('team/app:untagged')];
    expect(await run(image)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/used as the list.*has no tags\nhint: .*"mlist create LIST .*:amd64"/) as unknown,
    });
    expect(await run()).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/missing argument: LIST.*no tags/) as unknown,
    });
    expect(await cli.must('ls')).not.toContain(image);
    expect((await run(list, image)).code).toBe(0);
    expect((await run('--list', at('team/app:empty'))).code).toBe(0);
  });

  test('refuses an image in the place of the list; the hint shows --list', async () => {
    const env = { DOCKER_METADATA_OUTPUT_JSON: json([]) };
    const images = ['amd64', 'arm64'].map((one) => at(`team/app:${one}`));
    const result = await cli.run(['create', ...images, '--docker-metadata', 'env'], { env });
    expect(result).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('it is not among the tags of --docker-metadata') as unknown,
    });
    for (const list of ['team/app:latest', 'team/app:apart'].map(at)) {
      const named = await cli.run(['create', '--list', list, ...images, '--docker-metadata', 'env'], { env });
      expect([named.code, named.stdout]).toEqual([0, `Created manifest list ${list}\n`]);
      expect(await digests()).toEqual([amd64.digest, arm64.digest]);
    }
    const typed = await cli.run(['create', at('team/app:1.0'), ...images, '--docker-metadata', 'env', '--replace'], {
      env,
    });
    expect([typed.code, typed.stdout]).toEqual([0, `Created manifest list ${at('team/app:1.0')}\n`]);
  });

  test.each<[string, string | undefined, number, RegExp]>([
    ['not set', undefined, 2, /is unset or empty/],
    ['invalid JSON', 'x', 3, /DOCKER_METADATA_OUTPUT_JSON cannot be used/],
    ['something else', '{"a": 1}', 3, /neither tags nor labels nor annotations/],
    ['invalid tags', '{"tags": "a"}', 3, /"tags" is not an array of strings/],
    ['invalid labels', '{"labels": {"a": 1}}', 3, /"labels" is not an object with string values/],
    ['an invalid annotation', '{"annotations": ["index:a"]}', 3, /is not an annotation/],
  ])('%s', async (_name, text, code, message) => {
    const env = text === undefined ? {} : { DOCKER_METADATA_OUTPUT_JSON: text };
    const result = await cli.run(['create', at('team/app:x'), at('team/app:amd64'), '--docker-metadata', 'env'], {
      env,
    });
    expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)]);
  });
});

describe('--pin', () => {
  test('a source that is pinned by digest does not follow its tag', async () => {
    await pushImage(registry.url, 'team/app', 'moving', amd64);
    await cli.must('create', at('team/app:pinned'), at('team/app:moving'), '--pin');
    await pushImage(registry.url, 'team/app', 'moving', image('amd64', { salt: 'later' }));
    await cli.must('create', '--amend', at('team/app:pinned'));
    expect(await digests()).toEqual([amd64.digest]);
    const { entries } = await cli.json<{ entries: { source: string }[] }>('add', at('team/app:arm64'), '--pin');
    expect(entries.map(({ source }) => source)).toEqual([amd64, arm64].map(({ digest }) => at(`team/app@${digest}`)));
  });
});

describe('--nested', () => {
  const riscv64 = image('riscv64');
  let inner: ReturnType<typeof makeIndex>;
  beforeAll(async () => {
    inner = makeIndex([
      entryOf(arm64, { architecture: 'arm64', os: 'linux' }),
      entryOf(riscv64, { architecture: 'riscv64', os: 'linux' }),
    ]);
    await pushImage(registry.url, 'team/app', undefined, riscv64);
    await putManifest(registry.url, 'team/app', inner.digest, inner.mediaType, inner.bytes);
    const outer = makeIndex([
      entryOf(amd64, { architecture: 'amd64', os: 'linux' }),
      { mediaType: inner.mediaType, digest: inner.digest, size: inner.bytes.length },
    ]);
    await putManifest(registry.url, 'team/app', 'outer', outer.mediaType, outer.bytes);
  });

  test.each<[string, readonly string[], () => readonly string[]]>([
    ['one level by default', [], () => [amd64.digest, inner.digest]],
    ['flatten', ['--nested', 'flatten'], () => [amd64.digest, arm64.digest, riscv64.digest]],
  ])('%s', async (_name, options, expected) => {
    await cli.must('create', at('team/app:nested'), at('team/app:outer'), ...options);
    expect(await digests()).toEqual(expected());
    await cli.must('push', '--to', at('team/elsewhere:nested'));
  });

  test('keep lists the index as one entry', async () => {
    const outer = await getManifest(registry.url, 'team/app', 'outer');
    await cli.must('create', at('team/app:nested'), at('team/app:outer'), '--nested', 'keep');
    expect(await digests()).toEqual([outer?.digest]);
    await cli.must('push', '--to', at('team/elsewhere:kept'));
    expect(await getManifest(registry.url, 'team/elsewhere', riscv64.digest)).toBeDefined();
  });
});

describe('attestations', () => {
  const attest = (of: Image) =>
    makeImage({
      kind: 'oci',
      salt: `attestation of ${of.digest}`,
      platform: { architecture: 'unknown', os: 'unknown' },
      manifest: {
        artifactType: 'application/vnd.docker.attestation.manifest.v1+json',
        subject: { mediaType: of.mediaType, digest: of.digest, size: of.bytes.length },
      },
    });

  test('add --attestations drop skips the attestations of an index', async () => {
    await pushBuild(registry.url, 'team/app', 'attested', [{ architecture: 's390x', os: 'linux' }]);
    await cli.must('create', at('team/app:list'), at('team/app:amd64'));
    await cli.must('add', at('team/app:attested'), '--attestations', 'drop');
    expect(await digests()).toHaveLength(2);
  });

  test('referrers: finds attestations of a single image, lists them after it, and pushes them', async () => {
    const attestation = attest(arm64);
    await pushImage(registry.url, 'team/app', undefined, attestation);
    const fallback = makeIndex([
      { ...entryOf(attestation), artifactType: 'application/vnd.docker.attestation.manifest.v1+json' },
      { ...entryOf(amd64), artifactType: 'application/vnd.other' },
    ]);
    await putManifest(registry.url, 'team/app', `sha256-${hexOf(arm64)}`, fallback.mediaType, fallback.bytes);
    const args = ['create', at('team/app:found'), at('team/app:arm64'), at('team/app:amd64')];
    requests.length = 0;
    await cli.must(...args);
    expect(await digests()).toEqual([arm64.digest, amd64.digest]);
    expect(requests.filter((line) => /referrers|sha256-/.test(line))).toEqual([]);
    await cli.must('rm', at('team/app:found'));
    await cli.must(...args, '--attestations', 'referrers');
    const { manifests } = await inspected();
    expect(manifests[1]).toEqual({
      mediaType: attestation.mediaType,
      digest: attestation.digest,
      size: attestation.bytes.length,
      annotations: { 'vnd.docker.reference.digest': arm64.digest, 'vnd.docker.reference.type': 'attestation-manifest' },
      platform: { architecture: 'unknown', os: 'unknown' },
    });
    expect(manifests.map(({ digest }) => digest)).toEqual([arm64.digest, attestation.digest, amd64.digest]);
    await cli.must('push', '--to', at('team/moved:found'));
    expect(await getManifest(registry.url, 'team/moved', attestation.digest)).toBeDefined();
    expect(await cli.must('validate', '--deep', `docker://${at('team/moved:found')}`)).toBe('');
  });
});

describe('signatures', () => {
  test('warns if a signed list is replaced, with --check-signatures and in a dry run only', async () => {
    await cli.must('create', at('team/app:voided'), at('team/app:amd64'), at('team/app:arm64'));
    const digest = await cli.must('push');
    await putManifest(registry.url, 'team/app', `${digest.replace(':', '-')}.sig`, amd64.mediaType, amd64.bytes);
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    requests.length = 0;
    const dry = await cli.run(['push', '--dry-run']);
    expect([dry.code, dry.stderr]).toEqual([0, expect.stringContaining(`is moved from ${digest}, which is signed`)]);
    const edited = [
      'annotate',
      `docker://${at('team/app:voided')}`,
      '--arch',
      'amd64',
      '--annotation',
      'a=b',
      '--push',
    ];
    expect((await cli.run([...edited, '--dry-run', '--check-signatures'])).stderr).toContain('which is signed');
    requests.length = 0;
    expect((await cli.run(['push', '--check-signatures'])).stderr).toContain('so sign the new list');
    requests.length = 0;
    await cli.must('annotate', '--arch', 'arm64', '--variant', '');
    expect((await cli.run(['push'])).stderr).not.toContain('signed');
    expect(requests).toHaveLength(2);
  });
});

import { describe, expect, test } from '@jest/globals';
import { entryOf, makeIndex, putManifest } from '../support/images.ts';
import {
  amd64,
  arm,
  arm64,
  at,
  build,
  images,
  registry,
  serveCreateImages,
  type Drafted,
} from '../support/create-fixture.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** `create` with indexes as sources. */
serveCreateImages();

describe('create from an index', () => {
  test('adds its images and their attestations', async () => {
    const cli = await CliHarness.make();
    const { entries } = await cli.json<Drafted>('create', at('team/built:again'), at('team/built'), at('team/app:arm'));
    const [one, two] = build.images;
    expect(entries.map((entry) => entry.attests ?? 'image')).toEqual([
      'image',
      'image',
      one?.digest,
      two?.digest,
      'image',
    ]);
  });

  test('one unchanged index: the same bytes', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('team/built:same'), at('team/built'));
    expect(await cli.must('push')).toBe(build.index.digest);
  });

  test('one unchanged index with unusual JSON: the same bytes; after an edit, unknown members remain', async () => {
    const document = Buffer.from(
      JSON.stringify(
        {
          annotations: { z: '1', a: '2' },
          'x-later': { '2': 1, '1': [1.5, null] },
          manifests: [
            { platform: { os: 'linux', architecture: 'amd64', 'x-p': { b: 1 } }, ...entryOf(images.amd64), 'x-d': [] },
            { ...entryOf(images.arm64), platform: arm64, annotations: { k: 'v' } },
          ],
          mediaType: 'application/vnd.oci.image.index.v1+json',
          schemaVersion: 2,
          artifactType: 'application/x',
        },
        undefined,
        7,
      ),
    );
    await putManifest(registry.url, 'team/app', 'odd', 'application/vnd.oci.image.index.v1+json', document);
    const cli = await CliHarness.make();
    await cli.must('create', at('team/app:edited'), at('team/app:odd'));
    expect(await cli.must('inspect', '--raw')).toBe(document.toString());
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const before = JSON.parse(document.toString()) as { manifests: { platform: object }[] };
    Object.assign(before.manifests[1]?.platform ?? {}, { variant: 'v8' });
    expect(JSON.parse(await cli.must('inspect'))).toEqual(before);
    await cli.must('annotate', '--platform', 'linux/arm64', '--variant', '');
    expect(await cli.must('inspect', '--raw')).toBe(document.toString());
  });

  test('several indexes: drops their own fields with a warning', async () => {
    const annotated = makeIndex([entryOf(images.arm, arm)], { annotations: { k: 'v' } });
    await putManifest(registry.url, 'team/app', 'annotated', annotated.mediaType, annotated.bytes);
    const cli = await CliHarness.make();
    const { stderr } = await cli.run(['create', at('l:1'), at('team/app:annotated'), at('team/built')]);
    expect(stderr).toMatch(/warning: members of the index .*annotated are not kept, because .*: annotations/);
  });

  test.each([
    ['--platform', ['--platform', 'linux/arm64'], 2],
    ['--attestations drop', ['--attestations', 'drop'], 2],
    ['both', ['--platform', 'linux/arm64', '--attestations', 'drop'], 1],
  ])('filtered by %s keeps attestations with their images', async (_name, flags, count) => {
    const cli = await CliHarness.make();
    const { entries } = await cli.json<Drafted>('create', at('l:1'), at('team/built'), ...flags);
    expect(entries).toHaveLength(count);
    const attested = entries.flatMap((entry) => entry.attests ?? []);
    expect(entries.map((entry) => entry.digest)).toEqual(expect.arrayContaining(attested));
  });

  test('a missing platform: exit code 4, with the existing platforms', async () => {
    const cli = await CliHarness.make();
    const { code, stderr } = await cli.run([
      'create',
      at('l:1'),
      at('team/built'),
      '--platform',
      'linux/arm64',
      '--platform',
      'linux/s390x',
    ]);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/no image for linux\/s390x[^]*linux\/amd64, linux\/arm64/),
    ]);
  });

  test('--platform also skips single images, with a note', async () => {
    const cli = await CliHarness.make();
    const args = [at('l:1'), at('team/app:amd64'), at('team/app:arm64'), `${at('team/app:other')}=linux/arm64/v9`];
    const { code, stderr } = await cli.run(['create', ...args, '--platform', 'linux/arm64,linux/arm64/v9']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/skipped image linux\/amd64 sha256:[0-9a-f]{12}: .*app:amd64 matches none/),
    ]);
    const { manifests } = JSON.parse(await cli.must('inspect')) as { manifests: { digest: string }[] };
    expect(manifests.map(({ digest }) => digest)).toEqual([images.arm64.digest, images.other.digest]);
  });

  test('--platform that no single image matches: exit code 4, and no draft', async () => {
    const cli = await CliHarness.make();
    expect(await cli.run(['create', at('l:1'), at('team/app:amd64'), '--platform', 'linux/s390x'])).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/no image for linux\/s390x[^]*Available: linux\/amd64/) as unknown,
    });
    expect(await cli.must('ls')).toBe('');
  });

  test.each([
    ['create', ['create', 'l:1', '--platform', '']],
    ['create, one of several', ['create', 'l:1', '--platform', 'linux/amd64,']],
    ['a source', ['create', 'l:1', 'a/b=']],
    ['push --expect', ['push', 'l:1', '--expect', '']],
    ['push --expect, a comma', ['push', 'l:1', '--expect', ',']],
    ['inspect', ['inspect', 'l:1', '--platform', '']],
    ['remove', ['remove', 'l:1', '--platform', '']],
    ['annotate', ['annotate', 'l:1', '--platform', ' ', '--variant', 'v8']],
    ['resolve', ['resolve', 'l:1', '--platform', '']],
    ['copy', ['copy', 'a/b', 'oci:x', '--platform', '']],
  ])('refuses an empty platform: %s', async (_name, args) => {
    const cli = await CliHarness.make();
    expect(await cli.run(args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the platform is empty') as unknown,
    });
  });

  test.each<[string, () => { mediaType: string; bytes: Buffer }, string]>([
    ['an OCI index of OCI images', () => build.index, 'auto'],
    [
      'a Docker list',
      () => makeIndex([entryOf(images.amd64, amd64)], {}, 'application/vnd.docker.distribution.manifest.list.v2+json'),
      'auto',
    ],
    ['an OCI index of Docker images', () => makeIndex([entryOf(images.amd64, amd64)]), 'oci'],
    ['the same, annotated', () => makeIndex([entryOf(images.amd64, amd64)], { annotations: { k: 'v' } }), 'auto'],
  ])('the format of a draft of %s is stored only if auto would select another one', async (_name, content, format) => {
    const cli = await CliHarness.make();
    const { mediaType, bytes } = content();
    const repository = bytes === build.index.bytes ? 'team/built' : 'team/app';
    await putManifest(registry.url, repository, 'based', mediaType, bytes);
    const draft = await cli.json<{ format: string }>('create', at('l:1'), at(`${repository}:based`));
    expect(draft.format).toBe(format);
    expect((await cli.run(['inspect', '--raw'])).stdout).toBe(bytes.toString());
    expect((await cli.json<{ format: string }>('create', '--amend', '--format', 'oci', at('l:1'))).format).toBe('oci');
  });

  test('an entry without a platform gets the platform of its image', async () => {
    const silent = makeIndex([entryOf(images.arm)]);
    await putManifest(registry.url, 'team/app', 'silent', silent.mediaType, silent.bytes);
    const cli = await CliHarness.make();
    const { entries } = await cli.json<Drafted>('create', at('l:1'), at('team/app:silent'));
    expect(entries[0]?.platform).toEqual(arm);
  });

  test('an explicit platform for an index of several images is ambiguous', async () => {
    const cli = await CliHarness.make();
    expect((await cli.run(['create', at('l:1'), `${at('team/built')}=linux/arm64`])).code).toBe(2);
  });
});

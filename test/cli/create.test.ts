import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { entryOf, makeIndex, pushImage } from '../support/images.ts';
import { amd64, arm, at, images, registry, serveCreateImages, type Drafted } from '../support/create-fixture.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** `create` with images, and with files that name images. */
serveCreateImages();

describe('create', () => {
  test('keeps the order of the arguments', async () => {
    const cli = await CliHarness.make();
    const { entries } = await cli.json<Drafted>(
      'create',
      at('l:1'),
      at('team/app:arm'),
      at('team/app:amd64'),
      at('team/app:arm64'),
    );
    expect(entries.map((entry) => entry.digest)).toEqual(
      [images.arm, images.amd64, images.arm64].map((image) => image.digest),
    );
  });

  test('names every missing image, stores nothing, and needs no --amend afterwards', async () => {
    const cli = await CliHarness.make();
    const args = ['create', at('l:1'), at('team/app:amd64'), at('team/app:no1'), at('team/no2:x')];
    const { code, stderr, stdout } = await cli.run(args);
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain(at('team/app:no1'));
    expect(stderr).toContain(at('team/no2:x'));
    expect((await cli.run(['ls'])).stdout).toBe('');
    await pushImage(registry.url, 'team/app', 'no1', images.arm);
    await pushImage(registry.url, 'team/no2', 'x', images.arm64);
    expect((await cli.run(args)).code).toBe(0);
  });

  test('refuses to replace a draft, but accepts an identical one', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('l:1'), at('team/app:amd64'));
    await cli.must('annotate', '--annotation', 'k=v');
    expect((await cli.json<Drafted>('create', at('l:1'), at('team/app:amd64'))).changed).toBe(false);
    expect(await cli.must('inspect')).toContain('"k":"v"');
    const { code, stderr } = await cli.run(['create', at('l:1'), at('team/app:arm64')]);
    expect([code, stderr]).toEqual([5, expect.stringMatching(/already[^]*--amend[^]*mlist show docker:\/\/.*l:1/)]);
  });

  test('the same images again: changes fields of the list, but no entry', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('l:1'), at('team/app:amd64'));
    const again = async (...flags: readonly string[]) => {
      const { changed, changes } = await cli.json<Drafted>('create', at('l:1'), at('team/app:amd64'), ...flags);
      return [changed, changes];
    };
    expect(await again()).toEqual([false, []]);
    for (const flags of [
      ['--format', 'oci'],
      ['--index-annotation', 'a=b'],
      ['--index-artifact-type', 'application/x'],
    ]) {
      expect(await again(...flags)).toEqual([true, []]);
      expect(await again(...flags)).toEqual([false, []]);
    }
    const { mediaType, annotations, artifactType } = JSON.parse(await cli.must('inspect')) as Record<string, unknown>;
    expect([mediaType, annotations, artifactType]).toEqual([
      'application/vnd.oci.image.index.v1+json',
      { a: 'b' },
      'application/x',
    ]);
    expect((await cli.json<Drafted>('create', '--amend', at('l:1'))).changes).toEqual([]);
  });

  test('the same images with another platform: refuses to replace the draft', async () => {
    const cli = await CliHarness.make();
    const create = async (platform: string) =>
      cli.run(['create', at('l:1'), at('team/app:arm64'), `${at('team/app:amd64')}${platform}`]);
    expect((await create('=linux/arm/v6')).code).toBe(0);
    expect((await create('=linux/arm/v6')).code).toBe(0);
    expect((await create('')).code).toBe(0);
    expect(await create('=linux/amd64')).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(
        /and its entry .*team\/app:amd64 \(linux\/arm\/v6.* is not for linux\/amd64/,
      ) as unknown,
    });
    expect(await cli.must('inspect')).toContain('v6');
  });

  test('an explicit platform overrides the one of the image', async () => {
    const cli = await CliHarness.make();
    const { entries } = await cli.json<Drafted>(
      'create',
      at('l:1'),
      `${at('team/app:amd64')}=linux/arm/v6`,
      `${at('team/app:arm64')}=x64`,
    );
    expect(entries.map((entry) => entry.platform)).toEqual([
      { architecture: 'arm', os: 'linux', variant: 'v6' },
      amd64,
    ]);
  });

  test('merges duplicate entries, with a note', async () => {
    const cli = await CliHarness.make();
    const { code, stderr, stdout } = await cli.run([
      'create',
      '--progress',
      'plain',
      '--json',
      at('l:1'),
      at('team/app:amd64'),
      at('team/app:amd64'),
    ]);
    expect([code, (JSON.parse(stdout) as Drafted).entries.length]).toEqual([0, 1]);
    expect(stderr).toMatch(/duplicate entry/);
  });

  test('two images for one platform: create warns, push and validate refuse, --allow-duplicates accepts', async () => {
    const cli = await CliHarness.make();
    const { code, stderr } = await cli.run([
      'create',
      at('team/app:twice'),
      at('team/app:amd64'),
      at('team/app:other'),
    ]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/warning: two images for linux\/amd64: sha256:/)]);
    expect((await cli.run(['validate'])).code).toBe(3);
    expect(await cli.run(['push'])).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining('E-DUP-PLATFORM') as unknown,
    });
    expect((await cli.run(['push', '--allow-duplicates'])).code).toBe(0);
  });

  test('accepts an image by digest without a tag', async () => {
    const cli = await CliHarness.make();
    const { entries } = await cli.json<Drafted>('create', at('l:1'), at(`team/app@${images.arm.digest}`));
    expect(entries[0]).toMatchObject({ source: at(`team/app@${images.arm.digest}`), digest: images.arm.digest });
  });

  test('creates an empty draft, which add fills', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('l:1'));
    await cli.must('add', at('team/app:amd64'));
    expect(await cli.must('inspect')).toContain(images.amd64.digest);
  });

  test('refuses a list by digest', async () => {
    const cli = await CliHarness.make();
    expect(await cli.run(['create', at(`l@${images.arm.digest}`), at('team/app:arm')])).toMatchObject({ code: 2 });
  });

  test.each(['oci:out', 'oci:out:v1', 'oci-archive:out.tar', 'docker-archive:out.tar'])(
    '%s is a location, and not the name of a list',
    async (name) => {
      const cli = await CliHarness.make();
      expect(await cli.run(['create', name, at('team/app:arm')])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/it is not a registry reference[^]*mlist push --to/) as unknown,
      });
    },
  );

  test('with --list or MLIST_LIST all arguments are images', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', '-l', at('l:1'), at('team/app:amd64'));
    const { code } = await cli.run(['create', at('team/app:amd64')], { env: { MLIST_LIST: at('l:2') } });
    expect(code).toBe(0);
    expect((await cli.must('ls')).split('\n')).toHaveLength(2);
  });
});

describe('create -f', () => {
  const digest = () => images.arm.digest;
  test.each<[string, () => string, number]>([
    [
      'lines with comments',
      () => `# two images\n${at('team/app:amd64')}\n\n${at('team/app:arm64')}=linux/arm64/v8 # said\n`,
      2,
    ],
    ['bare digests of the repository of the list', () => `${digest()}\n`, 1],
    ['a descriptor', () => JSON.stringify(entryOf(images.arm, arm)), 1],
    ['descriptors', () => JSON.stringify([entryOf(images.arm, arm), entryOf(images.amd64)]), 2],
    ['an index', () => makeIndex([entryOf(images.arm, arm), entryOf(images.amd64, amd64)]).bytes.toString(), 2],
    [
      'the metadata of a build',
      () => JSON.stringify({ 'containerimage.digest': digest(), 'image.name': `${at('team/app:x')},y/z` }),
      1,
    ],
    [
      'the metadata of a bake',
      () =>
        JSON.stringify({
          one: { 'containerimage.digest': digest() },
          two: { 'containerimage.digest': images.amd64.digest },
        }),
      2,
    ],
  ])('%s', async (_name, content, count) => {
    const cli = await CliHarness.make();
    await writeFile(join(cli.folder, 'sources'), content());
    expect((await cli.json<Drafted>('create', at('team/app:list'), '-f', 'sources')).entries).toHaveLength(count);
    const piped = await cli.run(['create', at('team/app:piped'), '-f', '-'], { stdin: content() });
    expect(piped.code).toBe(0);
  });

  test.each([
    ['no sources', '# none\n', 2],
    ['an empty object', '{}', 3],
    ['broken JSON', '{"manifests":', 3],
    ['a descriptor without a digest', '{"manifests":[{"size":1}]}', 3],
    ['an invalid reference', 'a:b:c\n', 2],
  ])('%s: a clear error', async (_name, content, code) => {
    const cli = await CliHarness.make();
    await writeFile(join(cli.folder, 'sources'), content);
    expect((await cli.run(['create', at('team/app:list'), '-f', 'sources'])).code).toBe(code);
    expect(await cli.must('ls')).toBe('');
  });

  test('refuses a descriptor that does not match the content', async () => {
    const cli = await CliHarness.make();
    const wrong = { ...entryOf(images.arm, arm), size: 1 };
    expect(await cli.run(['create', at('team/app:l'), '-f', '-'], { stdin: JSON.stringify(wrong) })).toMatchObject({
      code: 7,
    });
  });

  test('a missing file', async () => {
    const cli = await CliHarness.make();
    expect(await cli.run(['create', at('team/app:l'), '-f', 'nowhere'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('nowhere') as unknown,
    });
  });
});

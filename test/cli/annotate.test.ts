import { describe, expect, test } from '@jest/globals';
import {
  annotate,
  drafted,
  entries,
  image,
  list,
  platforms,
  serveImages,
  cli,
  type Document,
} from '../support/edit-fixture.ts';
import { expectFits } from '../support/schemas.ts';

/** `annotate` with MANIFEST. */
serveImages();

describe('selects one entry by its source', () => {
  test.each<[string, readonly string[], object]>([
    ['variant', ['--variant', 'v8'], { architecture: 'arm64', os: 'linux', variant: 'v8' }],
    [
      'every field',
      ['--os', 'windows', '--arch', 'arm64', '--variant', 'v8', '--os-version', '10.0.1', '--os-features', 'a,b'],
      { architecture: 'arm64', os: 'windows', 'os.version': '10.0.1', 'os.features': ['a', 'b'], variant: 'v8' },
    ],
    ['x86_64', ['--arch', 'x86_64'], { architecture: 'amd64', os: 'linux' }],
    ['aarch64', ['--arch', 'aarch64'], { architecture: 'arm64', os: 'linux' }],
    ['armhf', ['--arch', 'armhf'], { architecture: 'arm', os: 'linux', variant: 'v7' }],
    [
      'armhf with a variant',
      ['--arch', 'armhf', '--variant', 'v6'],
      { architecture: 'arm', os: 'linux', variant: 'v6' },
    ],
    ['a bare variant number', ['--variant', '8'], { architecture: 'arm64', os: 'linux', variant: 'v8' }],
    ['upper case', ['--os', 'Linux', '--arch', 'ARM64'], { architecture: 'arm64', os: 'linux' }],
    ['macOS', ['--os', 'macOS'], { architecture: 'arm64', os: 'darwin' }],
  ])('%s', async (_name, flags, expected) => {
    await drafted('arm64', 'amd64');
    expect((await annotate(list, image('arm64'), ...flags)).code).toBe(0);
    expect((await entries())[0]?.platform).toEqual(expected);
  });

  test.each([[[]], [['--platform', 'linux/arm64']], [['--strict']]])('nothing to set: %j', async (flags) => {
    await drafted('arm64');
    for (const names of [[], [list], [list, image('arm64')]]) {
      expect(await annotate(...names, ...flags)).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/nothing to set or clear[^]*--arch[^]*--subject/) as unknown,
      });
    }
  });

  test('an image in the place of the list: the hint shows the command with a list', async () => {
    await drafted('arm64');
    const hint = (command: string) =>
      expect.stringContaining(
        `is used as the list. If it is an image, put the list first: "mlist ${command}"`,
      ) as unknown;
    const [one, two] = [image('arm64'), image('amd64')];
    expect(await annotate(one, '--variant', 'v8')).toMatchObject({ code: 4, stderr: hint(`annotate ${list} ${one}`) });
    expect(await cli.run(['add', one, two])).toMatchObject({ code: 4, stderr: hint(`add ${list} ${one} ${two}`) });
    expect(await cli.run(['add', 'oci:one', 'oci:two'])).toMatchObject({
      code: 2,
      stderr: hint(`add ${list} oci:one oci:two`),
    });
    expect(await cli.run(['remove', one, two])).toMatchObject({
      code: 4,
      stderr: hint(`remove ${list} ${one} ${two}`),
    });
    const alone = await cli.run(['remove', 'sha256:']);
    expect([alone.code, alone.stderr]).toEqual([2, expect.not.stringContaining('was taken')]);
    await cli.must('rm', list);
    expect(await cli.run(['add', one, two])).toMatchObject({ code: 4, stderr: hint(`add LIST ${one} ${two}`) });
    const named = await cli.run(['add', '-l', list, one]);
    expect([named.code, named.stderr]).toEqual([4, expect.not.stringContaining('was taken')]);
  });

  test.each(['abc1234', 'sha256:abc1234', 'sha256:a'])(
    '%s is too short to be the beginning of a digest',
    async (name) => {
      await drafted('arm64');
      const expected = {
        code: 4,
        stderr: expect.stringMatching(/has no entry .*a digest prefix needs at least 8 hex digits/) as unknown,
      };
      expect(await annotate(list, name, '--variant', 'v8')).toMatchObject(expected);
      expect(await cli.run(['remove', name])).toMatchObject(expected);
      expect(await cli.run(['inspect', list, name])).toMatchObject(expected);
      expect(await cli.run(['inspect', image('built'), name])).toMatchObject(expected);
    },
  );

  test('a version that the list lacks: the error names the existing versions', async () => {
    await drafted('windows');
    const expected = { code: 4, stderr: expect.stringMatching(/available versions: 10\.0\.20348\.1/) as unknown };
    const platform = 'windows(10.0.17763)/amd64';
    expect(await annotate('--os', 'windows', '--os-version', '10.0.17763.1')).toMatchObject(expected);
    expect(await annotate('--platform', platform, '--variant', 'v2')).toMatchObject(expected);
    expect(await cli.run(['remove', '--platform', platform])).toMatchObject(expected);
    expect(await cli.run(['inspect', list, '--platform', platform])).toMatchObject(expected);
    expect(await cli.run(['create', 'x.io/l:1', image('windows'), '--platform', platform])).toMatchObject(expected);
    const available = 'windows(10.0.20348)/amd64';
    expect((await annotate('--platform', available, '--os-version', '10.0.17763.1')).code).toBe(0);
  });

  test.each([
    ['--os', ' '],
    ['--arch', 'arm 64'],
    ['--variant', 'a\nb'],
    ['--os', '\u001b'],
  ])('rejects %s %j', async (flag, value) => {
    await drafted('arm64');
    expect((await annotate(list, image('arm64'), flag, value)).code).toBe(2);
    expect((await entries())[0]?.platform).toEqual(platforms['arm64']);
  });

  test('reports that a Docker list becomes an OCI index', async () => {
    await drafted('armv7');
    expect((await annotate('--index-annotation', 'a=b')).stderr).toContain('becomes an OCI image index');
    expect((await annotate('--index-annotation', 'a=c')).stderr).not.toContain('becomes an OCI image index');
    expect((await annotate('--index-annotation', 'a-')).stderr).toContain('becomes a Docker manifest list');
  });

  test('reports a converted alias', async () => {
    await drafted('arm64');
    expect((await annotate(list, image('arm64'), '--arch', 'aarch64')).stderr).toContain(
      'aarch64 is converted to arm64',
    );
    expect((await annotate(list, image('arm64'), '--arch', 'armhf')).stderr).toContain('armhf implies the variant v7');
  });

  test('an empty value clears a field, which then stays cleared', async () => {
    await drafted('armv7', 'windows');
    await annotate(list, image('armv7'), '--variant', '');
    await annotate(list, image('windows'), '--os-version=');
    expect((await entries()).map((entry) => entry.platform)).toEqual([
      { architecture: 'arm', os: 'linux' },
      { architecture: 'amd64', os: 'windows' },
    ]);
    await annotate(list, image('armv7'), '--variant', 'v7');
    expect((await entries())[0]?.platform).toEqual(platforms['armv7']);
  });

  test('adds features; an empty value first clears them', async () => {
    await drafted('windows');
    await annotate(list, image('windows'), '--os-features', 'a', '--os-features', 'b,a');
    expect((await entries())[0]?.platform?.['os.features']).toEqual(['a', 'b']);
    await annotate(list, image('windows'), '--os-features', '', '--os-features', 'c');
    expect((await entries())[0]?.platform?.['os.features']).toEqual(['c']);
    await annotate(list, image('windows'), '--os-features', '');
    expect((await entries())[0]?.platform).toEqual(platforms['windows']);
  });

  test('sets and removes annotations and the artifact type; the list becomes an OCI index', async () => {
    await drafted('arm64');
    await annotate(
      list,
      image('arm64'),
      '--annotation',
      'a=1',
      '--annotation',
      'b=x=y',
      '--annotation',
      'c=',
      '--artifact-type',
      'application/x',
    );
    expect((await entries())[0]).toMatchObject({
      annotations: { a: '1', b: 'x=y', c: '' },
      artifactType: 'application/x',
    });
    expect((JSON.parse(await cli.must('inspect')) as Document).mediaType).toContain('oci');
    await annotate(
      list,
      image('arm64'),
      '--annotation',
      'a-',
      '--annotation',
      'b-',
      '--annotation',
      'c-',
      '--artifact-type',
      '',
    );
    expect((await entries())[0]).not.toHaveProperty('annotations');
    expect((JSON.parse(await cli.must('inspect')) as Document).mediaType).toContain('docker');
  });

  test.each([
    [
      'a digest',
      async () =>
        (await cli.json<{ entries: { digest: string }[] }>('create', '--amend', list)).entries[0]?.digest ?? '',
    ],
    [
      'the beginning of a digest',
      async () =>
        (await cli.json<{ entries: { digest: string }[] }>('create', '--amend', list)).entries[0]?.digest.slice(
          7,
          15,
        ) ?? '',
    ],
  ])('selects an entry by %s', async (_name, digest) => {
    await drafted('arm64', 'amd64');
    expect((await annotate(list, await digest(), '--variant', 'v8')).code).toBe(0);
    expect((await entries())[0]?.platform).toMatchObject({ variant: 'v8' });
  });

  test('an unknown entry: exit code 4, with the existing entries', async () => {
    await drafted('arm64');
    const { code, stderr } = await annotate(list, image('amd64'), '--variant', 'v8');
    expect([code, stderr]).toEqual([4, expect.stringMatching(/no entry .*:amd64[^]*Available images: .*:arm64/)]);
  });

  test('a source of several entries needs --platform', async () => {
    await drafted('built');
    const { code, stderr } = await annotate(list, image('built'), '--variant', 'v8');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/2 entries[^]*mlist annotate .*list sha256:[0-9a-f]{12} --variant v8/),
    ]);
    expect((await annotate(list, image('built'), '--variant', 'v8', '--platform', 'linux/arm64')).code).toBe(0);
    expect((await entries()).map((entry) => entry.platform?.['variant'])).toEqual([
      undefined,
      'v8',
      undefined,
      undefined,
    ]);
  });

  test('an unknown platform: a warning, or with --strict an error and no change', async () => {
    await drafted('arm64');
    expect(await annotate(list, image('arm64'), '--arch', 'vax')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('W-PLAT-UNKNOWN') as unknown,
    });
    const { code } = await annotate(list, image('arm64'), '--arch', 'pdp11', '--strict');
    expect([code, (await entries())[0]?.platform?.['architecture']]).toEqual([3, 'vax']);
  });
});

describe('several images', () => {
  interface Report {
    readonly changed: boolean;
    readonly entry?: object;
    readonly entries?: readonly { readonly platform: object }[];
  }
  const setAnnotation = ['--annotation', 'k=v'];
  const annotated = async () =>
    (await entries()).flatMap(({ platform, annotations }) =>
      annotations?.['k'] === 'v' ? [[platform?.['architecture'], platform?.['variant']].join('')] : [],
    );

  test.each<[string, readonly string[], readonly string[]]>([
    ['by platforms', ['--platform', 'linux/amd64,linux/arm/v7'], ['amd64', 'armv7']],
    ['by a repeated option', ['--platform', 'linux/arm64', '--platform', 'linux/arm/v6'], ['arm64', 'armv6']],
    ['by a platform twice', ['--platform', 'linux/arm64,arm64'], ['arm64']],
    ['with --all', ['--all'], ['amd64', 'arm64', 'armv7', 'armv6']],
  ])('%s', async (_name, selection, expected) => {
    await drafted('amd64', 'arm64', 'armv7', 'armv6');
    const { code, stdout } = await annotate(...selection, ...setAnnotation, '--json');
    expectFits('annotate', stdout);
    const report = JSON.parse(stdout) as Report;
    expect([code, report.changed, report.entries?.length]).toEqual([0, true, expected.length]);
    expect(report.entry).toEqual(expected.length === 1 ? report.entries?.[0] : undefined);
    expect(await annotated()).toEqual(expected);
  });

  test('are reported one by one, with those that did not change', async () => {
    await drafted('amd64', 'arm64');
    await annotate('--platform', 'linux/arm64', ...setAnnotation);
    const { stderr } = await annotate('--all', ...setAnnotation, '--index-annotation', 'a=b');
    expect(stderr.split('\n').map((line) => line.replace(/ \(.*/, ''))).toEqual([
      `annotated ${image('amd64')}`,
      `unchanged ${image('arm64')}`,
      `annotated the list ${list}`,
      '',
    ]);
  });

  test('never include attestations', async () => {
    await drafted('built');
    const { code, stdout } = await annotate('--all', ...setAnnotation, '--json');
    expect([code, (JSON.parse(stdout) as Report).entries?.length]).toEqual([0, 2]);
    expect(await annotated()).toEqual(['amd64', 'arm64']);
  });

  test('are edited in the registry with --push', async () => {
    await drafted('amd64', 'arm64');
    await cli.must('push', '--purge');
    expect(await annotate(`docker://${list}`, '--all', ...setAnnotation, '--push')).toMatchObject({ code: 0 });
    const pushed = JSON.parse(await cli.must('inspect', `docker://${list}`)) as Document;
    expect(pushed.manifests.map(({ annotations }) => annotations)).toEqual([{ k: 'v' }, { k: 'v' }]);
  });

  test.each<[string, readonly string[], number, string]>([
    ['--all and --platform', ['--all', '--platform', 'linux/amd64', ...setAnnotation], 2, '--all cannot be combined'],
    ['--all and MANIFEST', ['LIST', 'sha256:1234567', '--all', ...setAnnotation], 2, '--all cannot be combined'],
    [
      '--all for the list only',
      ['--all', '--index-annotation', 'a=b'],
      2,
      '--all needs an option that changes the images',
    ],
    ['a platform that is not there', ['--platform', 'linux/amd64,linux/s390x', ...setAnnotation], 4, 'linux/s390x'],
    ['an empty platform', ['--platform', 'linux/amd64,', ...setAnnotation], 2, 'the platform is empty'],
    [
      'one architecture for all',
      ['--all', '--arch', 'arm64'],
      3,
      'the edit would create duplicates: two images for linux/arm64',
    ],
    [
      'one platform for two',
      ['--platform', 'linux/amd64,linux/arm64', '--os', 'windows', '--arch', 'amd64'],
      3,
      'the edit would create duplicates',
    ],
  ])('%s is refused, and nothing is changed', async (_name, args, code, message) => {
    await drafted('amd64', 'arm64');
    const before = await cli.must('inspect');
    const result = await annotate(...args.map((one) => (one === 'LIST' ? list : one)));
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(await cli.must('inspect')).toBe(before);
  });

  test('may be edited without new duplicates, also in a list that has some', async () => {
    await drafted('amd64', 'arm64', 'windows');
    await annotate('--platform', 'linux/arm64', '--arch', 'amd64');
    expect(await annotate('--all', '--os-features', 'f')).toMatchObject({ code: 0 });
    expect((await entries()).map(({ platform }) => platform?.['os.features'])).toEqual([['f'], ['f'], ['f']]);
  });
});

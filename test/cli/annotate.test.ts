import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/index.ts';
import { pushBuild } from '../support/buildx.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { World, type Ran } from '../support/world.ts';

/** `annotate`, in its long form and in its short one. */
let registry: RunningRegistry;
let world: World;
let list: string;
const platforms: Readonly<Record<string, object>> = {
  amd64: { architecture: 'amd64', os: 'linux' },
  arm64: { architecture: 'arm64', os: 'linux' },
  armv7: { architecture: 'arm', os: 'linux', variant: 'v7' },
  armv6: { architecture: 'arm', os: 'linux', variant: 'v6' },
  windows: { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.1' },
  none: {},
};
const image = (name: string) => `${registry.host}/team/app:${name}`;

beforeAll(async () => {
  registry = await startRegistry();
  for (const [tag, platform] of Object.entries(platforms)) {
    await pushImage(
      registry.url,
      'team/app',
      tag,
      makeImage({ salt: tag, platform: { architecture: '', os: '', ...platform } }),
    );
  }
  await pushBuild(registry.url, 'team/app', 'built', [
    { architecture: 'amd64', os: 'linux' },
    { architecture: 'arm64', os: 'linux' },
  ]);
});
afterAll(() => registry.close());

beforeEach(async () => {
  world = await World.make();
  list = `${registry.host}/team/app:list`;
});

async function drafted(...names: readonly string[]): Promise<void> {
  await world.must('create', list, ...names.map(image));
}

interface Listed {
  readonly platform?: Record<string, unknown>;
  readonly annotations?: Record<string, string>;
  readonly artifactType?: string;
}
interface Document {
  readonly mediaType: string;
  readonly manifests: readonly Listed[];
  readonly annotations?: Record<string, string>;
  readonly subject?: { readonly digest: string };
}

async function entries(): Promise<readonly Listed[]> {
  return (JSON.parse(await world.must('inspect')) as Document).manifests;
}

/** What an entry says; the format of the list only changes the order in which it says it. */
function saidOf(entry: Listed | undefined): string {
  return JSON.stringify([entry?.platform, entry?.annotations]);
}

async function annotate(...args: readonly string[]): Promise<Ran> {
  return world.run(['annotate', ...args]);
}

describe('one entry by its source', () => {
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
  ])('%s', async (_name, flags, wanted) => {
    await drafted('arm64', 'amd64');
    expect((await annotate(list, image('arm64'), ...flags)).code).toBe(0);
    expect((await entries())[0]?.platform).toEqual(wanted);
  });

  test.each([[[]], [['--platform', 'linux/arm64']], [['--strict']]])('nothing to set: %j', async (flags) => {
    await drafted('arm64');
    for (const names of [[], [list], [list, image('arm64')]]) {
      expect(await annotate(...names, ...flags)).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/nothing to set or to clear[^]*--arch[^]*--subject/) as unknown,
      });
    }
  });

  test('an image that is taken as the list: that is said, with the command that was meant', async () => {
    await drafted('arm64');
    const hint = (command: string) =>
      expect.stringContaining(
        `was taken as the list. If it is an image, name the list first: "mlist ${command}"`,
      ) as unknown;
    const [one, two] = [image('arm64'), image('amd64')];
    expect(await annotate(one, '--variant', 'v8')).toMatchObject({ code: 4, stderr: hint(`annotate ${list} ${one}`) });
    expect(await world.run(['add', one, two])).toMatchObject({ code: 4, stderr: hint(`add ${list} ${one} ${two}`) });
    expect(await world.run(['add', 'oci:one', 'oci:two'])).toMatchObject({
      code: 2,
      stderr: hint(`add ${list} oci:one oci:two`),
    });
    expect(await world.run(['remove', one, two])).toMatchObject({
      code: 4,
      stderr: hint(`remove ${list} ${one} ${two}`),
    });
    const alone = await world.run(['remove', 'sha256:']);
    expect([alone.code, alone.stderr]).toEqual([2, expect.not.stringContaining('was taken')]);
    await world.must('rm', list);
    expect(await world.run(['add', one, two])).toMatchObject({ code: 4, stderr: hint(`add LIST ${one} ${two}`) });
    const named = await world.run(['add', '-l', list, one]);
    expect([named.code, named.stderr]).toEqual([4, expect.not.stringContaining('was taken')]);
  });

  test.each(['abc1234', 'sha256:abc1234', 'sha256:a'])(
    '%s is too short to be the beginning of a digest',
    async (name) => {
      await drafted('arm64');
      const wanted = {
        code: 4,
        stderr: expect.stringMatching(/has no entry .*it is too short, which takes 8 hex digits/) as unknown,
      };
      expect(await annotate(list, name, '--variant', 'v8')).toMatchObject(wanted);
      expect(await world.run(['remove', name])).toMatchObject(wanted);
      expect(await world.run(['inspect', list, name])).toMatchObject(wanted);
      expect(await world.run(['inspect', image('built'), name])).toMatchObject(wanted);
    },
  );

  test('a version that is not there: those that are there are named', async () => {
    await drafted('windows');
    const wanted = { code: 4, stderr: expect.stringContaining('there is 10.0.20348.1') as unknown };
    const platform = 'windows(10.0.17763)/amd64';
    expect(await annotate('--os', 'windows', '--os-version', '10.0.17763.1')).toMatchObject(wanted);
    expect(await annotate('--platform', platform, '--variant', 'v2')).toMatchObject(wanted);
    expect(await world.run(['remove', '--platform', platform])).toMatchObject(wanted);
    expect(await world.run(['inspect', list, '--platform', platform])).toMatchObject(wanted);
    expect(await world.run(['create', 'x.io/l:1', image('windows'), '--platform', platform])).toMatchObject(wanted);
    const there = 'windows(10.0.20348)/amd64';
    expect((await annotate('--platform', there, '--os-version', '10.0.17763.1')).code).toBe(0);
  });

  test.each([
    ['--os', ' '],
    ['--arch', 'arm 64'],
    ['--variant', 'a\nb'],
    ['--os', '\u001b'],
  ])('%s %j is no word of a platform', async (flag, value) => {
    await drafted('arm64');
    expect((await annotate(list, image('arm64'), flag, value)).code).toBe(2);
    expect((await entries())[0]?.platform).toEqual(platforms['arm64']);
  });

  test('a Docker list that becomes an OCI index says so', async () => {
    await drafted('armv7');
    expect((await annotate('--index-annotation', 'a=b')).stderr).toContain('becomes an OCI image index');
    expect((await annotate('--index-annotation', 'a=c')).stderr).not.toContain('becomes an OCI image index');
    expect((await annotate('--index-annotation', 'a-')).stderr).toContain('becomes a Docker manifest list');
  });

  test('an alias is told', async () => {
    await drafted('arm64');
    expect((await annotate(list, image('arm64'), '--arch', 'aarch64')).stderr).toContain('aarch64 is taken for arm64');
    expect((await annotate(list, image('arm64'), '--arch', 'armhf')).stderr).toContain('armhf implies the variant v7');
  });

  test("an empty value clears, and the image's own comes back only when it is set", async () => {
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

  test('features add up; an empty one first clears', async () => {
    await drafted('windows');
    await annotate(list, image('windows'), '--os-features', 'a', '--os-features', 'b,a');
    expect((await entries())[0]?.platform?.['os.features']).toEqual(['a', 'b']);
    await annotate(list, image('windows'), '--os-features', '', '--os-features', 'c');
    expect((await entries())[0]?.platform?.['os.features']).toEqual(['c']);
    await annotate(list, image('windows'), '--os-features', '');
    expect((await entries())[0]?.platform).toEqual(platforms['windows']);
  });

  test('annotations and the artifact type, set and removed; the list becomes an OCI index for them', async () => {
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
    expect((JSON.parse(await world.must('inspect')) as Document).mediaType).toContain('oci');
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
    expect((JSON.parse(await world.must('inspect')) as Document).mediaType).toContain('docker');
  });

  test.each([
    [
      'a digest',
      async () =>
        (await world.json<{ entries: { digest: string }[] }>('create', '--amend', list)).entries[0]?.digest ?? '',
    ],
    [
      'the beginning of a digest',
      async () =>
        (await world.json<{ entries: { digest: string }[] }>('create', '--amend', list)).entries[0]?.digest.slice(
          7,
          15,
        ) ?? '',
    ],
  ])('by %s', async (_name, digest) => {
    await drafted('arm64', 'amd64');
    expect((await annotate(list, await digest(), '--variant', 'v8')).code).toBe(0);
    expect((await entries())[0]?.platform).toMatchObject({ variant: 'v8' });
  });

  test('an entry that is not there: exit 4, and what there is', async () => {
    await drafted('arm64');
    const { code, stderr } = await annotate(list, image('amd64'), '--variant', 'v8');
    expect([code, stderr]).toEqual([4, expect.stringMatching(/no entry .*:amd64[^]*It has: .*:arm64/)]);
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

  test('a platform that nobody knows: a warning, or with --strict a refusal that changes nothing', async () => {
    await drafted('arm64');
    expect(await annotate(list, image('arm64'), '--arch', 'vax')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('W-PLAT-UNKNOWN') as unknown,
    });
    const { code } = await annotate(list, image('arm64'), '--arch', 'pdp11', '--strict');
    expect([code, (await entries())[0]?.platform?.['architecture']]).toEqual([3, 'vax']);
  });
});

describe('the short form', () => {
  test.each<[string, readonly string[], readonly string[], number]>([
    ['by architecture', ['amd64', 'arm64'], ['--arch', 'arm64', '--variant', 'v8'], 1],
    ['by an alias', ['amd64', 'arm64'], ['--arch', 'aarch64', '--variant', 'v8'], 1],
    ['by os', ['amd64', 'windows'], ['--os', 'windows', '--os-version', '10.0.20348.1'], 1],
    ['by architecture and variant', ['armv6', 'armv7'], ['--arch', 'arm', '--variant', 'v7', '--annotation', 'k=v'], 1],
    [
      'by os and a variant of arm',
      ['amd64', 'armv7', 'windows'],
      ['--os', 'linux', '--variant', 'v7', '--annotation', 'k=v'],
      1,
    ],
    ['the only image there is', ['arm64'], ['--variant', 'v8'], 0],
    ['the only image, beside attestations', ['built'], ['--arch', 'arm64', '--variant', 'v8'], 1],
    ['by --platform, which never sets', ['amd64', 'arm64'], ['--platform', 'linux/arm64', '--arch', 's390x'], 1],
  ])('%s', async (_name, images, flags, at) => {
    await drafted(...images);
    const before = await entries();
    expect(await annotate(...flags)).toMatchObject({ code: 0 });
    const after = await entries();
    const changed = after.flatMap((entry, position) => (saidOf(entry) === saidOf(before[position]) ? [] : [position]));
    expect(changed.length === 0 ? [at] : changed).toEqual([at]);
  });

  test.each<[string, readonly string[], readonly string[], number]>([
    ['no such architecture', ['amd64', 'arm64'], ['--arch', 's390x', '--variant', 'v8'], 4],
    ['another variant', ['armv6'], ['--arch', 'arm', '--variant', 'v7'], 4],
    ['another version', ['windows'], ['--os', 'windows', '--os-version', '10.0.17763.1'], 4],
    ['a variant of arm on linux, where there is none', ['amd64'], ['--os', 'linux', '--variant', 'v7'], 4],
    ['two of one architecture', ['armv6', 'armv7'], ['--arch', 'arm', '--annotation', 'k=v'], 2],
    ['two images, and nothing to choose by', ['amd64', 'arm64'], ['--annotation', 'k=v'], 2],
    ['no image at all', [], ['--variant', 'v8'], 4],
  ])('%s: nothing is changed', async (_name, images, flags, code) => {
    await drafted(...images);
    const before = await world.must('inspect');
    expect((await annotate(...flags)).code).toBe(code);
    expect(await world.must('inspect')).toBe(before);
  });

  test('several candidates are listed as commands, and each of them works', async () => {
    await drafted('armv6', 'armv7');
    const { stderr } = await annotate('--arch', 'arm', '--annotation', "k=it's");
    const commands = stderr.split('\n').filter((line) => line.includes('mlist annotate'));
    expect(commands).toHaveLength(2);
    const [, , name, digest, ...rest] = (commands[1] ?? '').trim().split(' ');
    expect(rest.join(' ')).toBe("--arch arm --annotation 'k=it'\\''s'");
    expect((await annotate(name ?? '', digest ?? '', '--arch', 'arm', '--annotation', "k=it's")).code).toBe(0);
    expect((await entries()).map((entry) => entry.annotations)).toEqual([undefined, { k: "it's" }]);
  });

  test('on a terminal it asks', async () => {
    await drafted('armv6', 'armv7');
    const ran = await world.run(['annotate', '--arch', 'arm', '--annotation', 'k=v'], {
      terminal: true,
      answers: ['2'],
    });
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringMatching(/Which one\? \[1-2\]/)]);
    expect((await entries())[1]?.annotations).toEqual({ k: 'v' });
  });

  test.each([
    ['with --no-input', ['--no-input'], {}],
    ['in CI', [], { CI: 'true' }],
  ])('%s it does not', async (_name, flags, env) => {
    await drafted('armv6', 'armv7');
    expect(
      (
        await world.run(['annotate', '--arch', 'arm', '--annotation', 'k=v', ...flags], {
          terminal: true,
          env,
          answers: ['1'],
        })
      ).code,
    ).toBe(2);
  });

  test('without a current draft: exit 4', async () => {
    expect(await annotate('--arch', 'arm64')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('mlist use') as unknown,
    });
  });

  test('with --list, the one argument is an image', async () => {
    await drafted('arm64', 'amd64');
    await world.must('create', `${registry.host}/team/app:another`);
    expect((await annotate('-l', list, image('arm64'), '--variant', 'v8')).code).toBe(0);
    expect((await annotate('-l', list, image('arm64'), 'x', '--variant', 'v8')).code).toBe(2);
    expect((await annotate('-l', '', list, image('arm64'), '--variant', 'v8')).code).toBe(2);
  });
});

describe('the list itself', () => {
  test('annotations, set and removed', async () => {
    await drafted('arm64');
    await annotate('--index-annotation', 'org.opencontainers.image.description=A test', '--index-annotation', 'x=y');
    expect(JSON.parse(await world.must('inspect'))).toMatchObject({
      annotations: { x: 'y', 'org.opencontainers.image.description': 'A test' },
    });
    await annotate('--index-annotation', 'x-', '--index-annotation', 'org.opencontainers.image.description-');
    expect(JSON.parse(await world.must('inspect'))).not.toHaveProperty('annotations');
  });

  test('a note says that it was the list, and whether it changed; show shows what it says of itself', async () => {
    await drafted('arm64');
    const note = async (...flags: readonly string[]) => (await annotate(...flags)).stderr;
    expect(await note('--index-annotation', 'x=y')).toContain(`annotated the list ${list}\n`);
    expect(await note('--index-annotation', 'x=y')).toContain(`unchanged the list ${list}\n`);
    expect(await note('--subject', image('amd64'))).toContain(`annotated the list ${list}\n`);
    const digest = await world.must('digest', image('amd64'));
    expect(await world.must('show')).toMatch(new RegExp(`subject +${digest}\n.*x = y`));
    expect(await world.json('show')).toMatchObject({ subject: digest, annotations: { x: 'y' } });
  });

  test('a subject, read from the registry, and cleared', async () => {
    await drafted('arm64');
    expect((await annotate('--subject', image('amd64'))).code).toBe(0);
    const { subject } = JSON.parse(await world.must('inspect')) as Document;
    expect(subject?.digest).toBe(await world.must('digest', image('amd64')));
    expect((await annotate('--subject', image('gone'))).code).toBe(4);
    await annotate('--subject', '');
    expect(JSON.parse(await world.must('inspect'))).not.toHaveProperty('subject');
  });

  test('a push as a Docker list that cannot be one names what is in its way, and that it can be left out', async () => {
    await drafted('arm64', 'amd64');
    await annotate('--platform', 'linux/amd64', '--annotation', 'a=b');
    const digest = (await world.must('digest', image('amd64'))).slice(0, 'sha256:'.length + 12);
    const wanted = (reason: string) => ({
      code: 3,
      stderr: expect.stringContaining(reason) as unknown,
    });
    const docker = ['push', '--format', 'docker'];
    const entry = `linux/amd64 (${digest})`;
    expect(await world.run(docker)).toMatchObject(wanted(`no annotations, and ${entry} has`));
    await annotate('--platform', 'linux/amd64', '--annotation', 'a-', '--artifact-type', 'application/x.y');
    expect(await world.run(docker)).toMatchObject(wanted(`artifactType of ${entry}: only an OCI index can hold it`));
    expect(await world.run(docker)).toMatchObject(wanted('hint: Leave out --format docker'));
    await annotate('--platform', 'linux/amd64', '--artifact-type', '');
    expect((await world.run(docker)).code).toBe(0);
  });

  test('a Docker list that is asked for takes no annotations: refused with the reason, nothing dropped', async () => {
    await world.must('create', list, image('arm64'), '--format', 'docker');
    await annotate('--index-annotation', 'x=y');
    expect(await world.run(['push'])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(
        /annotations of the list: only an OCI index can hold it[^]*hint: .*--format oci/,
      ) as unknown,
    });
    for (const command of ['inspect', 'digest', 'diff']) {
      expect(await world.run([command])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(
          /only an OCI index can hold it[^]*hint: .*--format oci.*mlist create --amend/,
        ) as unknown,
      });
    }
    expect(await world.run(['show'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('only an OCI index can hold it') as unknown,
    });
    expect((await world.run(['push', '--format', 'oci'])).code).toBe(0);
  });
});

describe('what could not be read again is not written', () => {
  test.each([
    ['an artifact type that is none', ['--artifact-type', 'no type']],
    ['an artifact type of the list that is none', ['--index-artifact-type', 'x']],
  ])('%s', async (_name, flags) => {
    await drafted('arm64');
    const before = await world.must('inspect');
    expect(await annotate(...flags)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('has not the form') as unknown,
    });
    expect(await world.must('inspect')).toBe(before);
  });
});

describe('add and remove', () => {
  test('add replaces the image of the same platform, or keeps both', async () => {
    await drafted('arm64', 'amd64');
    await pushImage(
      registry.url,
      'team/app',
      'arm64-2',
      makeImage({ salt: 'second', platform: { architecture: 'arm64', os: 'linux' } }),
    );
    await world.must('add', image('arm64-2'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm64', 'amd64']);
    await world.must('add', list, '--keep', image('arm64'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm64', 'amd64', 'arm64']);
  });

  test('adding what is there already by another source changes nothing', async () => {
    await drafted('built', 'armv7');
    const before = await world.must('inspect');
    const { changed, entries: all } = await world.json<{
      changed: boolean;
      entries: { digest: string; source: string }[];
    }>('create', '--amend', list);
    expect([changed, await world.must('inspect')]).toEqual([false, before]);
    const byDigest = `${registry.host}/team/app@${all[1]?.digest ?? ''}`;
    const added = await world.json<{ changed: boolean; entries: { source: string }[] }>('add', byDigest);
    expect([added.changed, await world.must('inspect')]).toEqual([false, before]);
    expect(added.entries[1]?.source).toBe(image('built'));
  });

  test('remove takes the attestation with its image', async () => {
    await drafted('built', 'armv7');
    await world.must('remove', '--platform', 'linux/arm64');
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['amd64', 'unknown', 'arm']);
    await world.must('remove', list, image('built'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm']);
  });

  test('by a digest, or its beginning', async () => {
    await drafted('arm64', 'amd64', 'armv7');
    const { entries: all } = await world.json<{ entries: { digest: string }[] }>('create', '--amend', list);
    await world.must('remove', all[0]?.digest ?? '');
    await world.must('remove', list, all[1]?.digest.slice(7, 15) ?? '');
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm']);
  });

  test.each<[string, readonly string[], number]>([
    ['no such image', ['gone'], 4],
    ['no such digest', ['sha256:0123456789'], 4],
    ['no such platform', ['--platform', 'linux/s390x'], 4],
    ['nothing named', [], 2],
    ['no such draft', ['x.io/none:1', 'gone'], 4],
  ])('remove: %s', async (_name, args, code) => {
    await drafted('arm64');
    expect((await world.run(['remove', ...args])).code).toBe(code);
    expect(await entries()).toHaveLength(1);
  });

  test('remove LIST --platform', async () => {
    await drafted('arm64', 'amd64');
    await world.must('create', `${registry.host}/team/app:another`);
    await world.must('remove', list, '--platform', 'arm64');
    expect((await world.must('inspect', list)).includes('arm64')).toBe(false);
  });
});

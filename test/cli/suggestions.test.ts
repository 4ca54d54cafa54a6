import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { suggestPlatform } from '../../src/oci/platform/aliases.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { closestMatch } from '../../src/text/closest-match.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Typing errors and the suggestions in the messages. */
let registry: RunningRegistry;
let at: (name: string) => string;
const architectures = ['amd64', 'arm64', 's390x'];
beforeAll(async () => {
  registry = await startRegistry();
  at = (name) => `${registry.host}/${name}`;
  for (const architecture of architectures) {
    const image = makeImage({ salt: architecture, platform: { architecture, os: 'linux' } });
    await pushImage(registry.url, 'team/app', architecture, image);
  }
});
afterAll(() => registry.close());

async function drafted(): Promise<CliHarness> {
  const cli = await CliHarness.make();
  await cli.must('create', at('team/app:list'), ...architectures.map((name) => at(`team/app:${name}`)));
  return cli;
}

describe('the closest match', () => {
  test.each<[string, string | undefined]>([
    ['amd46', 'amd64'],
    ['lunix', 'linux'],
    ['windwos', 'windows'],
    ['crate', 'create'],
    ['zzz', undefined],
  ])('%s', (word, expected) => {
    expect(closestMatch(word, ['amd64', 'arm64', 'linux', 'windows', 'create', 'copy'])).toBe(expected);
  });

  test.each<[string, string, string | undefined, string | undefined]>([
    ['linux', 'amd46', undefined, 'linux/amd64'],
    ['lunix', 'arm64', 'v8', 'linux/arm64/v8'],
    ['linux', 's930x', undefined, 'linux/s390x'],
    ['arm', 'v7', undefined, 'linux/arm/v7'],
    ['aarch64', '8', undefined, 'linux/arm64/v8'],
    ['amd64', 'linux', undefined, 'linux/amd64'],
    ['arm64', 'macos', undefined, 'darwin/arm64'],
    ['linux', 'amd64', undefined, undefined],
    ['linux', 'quantum', undefined, undefined],
  ])('%s/%s', (os, architecture, variant, expected) => {
    expect(suggestPlatform(os, architecture, variant)).toBe(expected);
  });
});

describe('a platform without its operating system', () => {
  test.each<[string, readonly string[]]>([
    ['after an image', ['create', 'x.io/a', 'x.io/b=arm/v7']],
    ['after --platform', ['create', 'x.io/a', 'x.io/b', '--platform', 'linux/amd64,arm/v7']],
    ['after --expect', ['push', '--expect', 'arm/v7']],
    ['of another name', ['remove', '--platform', 'arm/7']],
  ])('%s', async (_name, args) => {
    const { code, stderr } = await (await CliHarness.make()).run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/arm is an architecture, not an operating system\nhint: Write it as linux\/arm\/v7\./);
  });

  test('a platform with swapped parts', async () => {
    const { code, stderr } = await (await CliHarness.make()).run(['resolve', 'a', '--platform', 'amd64/linux']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('hint: Write it as linux/amd64.')]);
  });
});

describe('an unknown platform', () => {
  test('is set with a warning that suggests a similar one', async () => {
    const cli = await drafted();
    const { code, stderr } = await cli.run(['annotate', '--platform', 'linux/amd64', '--arch', 'amd46']);
    expect(code).toBe(0);
    expect(stderr).toContain('unknown platform linux/amd46: did you mean linux/amd64?');
  });

  test('is refused by --strict', async () => {
    const cli = await drafted();
    const { code, stderr } = await cli.run(['annotate', '--strict', '--platform', 'linux/arm64', '--os', 'lunix']);
    expect([code, stderr]).toEqual([3, expect.stringContaining('did you mean linux/arm64?')]);
  });
});

describe('a variant that no client selects', () => {
  const riscv = 'clients on riscv64 have no variant, so none of them selects this image';
  const arm64 = 'no client on arm64 has the variant v10, so none selects this image';
  const create = (cli: CliHarness, variant: string, ...more: readonly string[]) =>
    cli.run(['create', at('team/app:v'), `${at('team/app:arm64')}=${variant}`, ...more]);

  test.each([
    ['linux/riscv64/rva22u64', riscv],
    ['linux/arm64/v10', arm64],
  ])('create, push: %s', async (platform, message) => {
    const cli = await CliHarness.make();
    const created = await create(cli, platform);
    expect([created.code, created.stderr]).toEqual([0, expect.stringContaining(message)]);
    const pushed = await cli.run(['push', '--dry-run']);
    expect([pushed.code, pushed.stderr]).toEqual([0, expect.stringContaining(message)]);
    const refused = await cli.run(['push', '--dry-run', '--strict']);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining(message)]);
  });

  test('create --strict makes no draft', async () => {
    const cli = await CliHarness.make();
    const { code, stderr } = await create(cli, 'linux/arm64/v10', '--strict');
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining(`${arm64}\nhint: Leave out --strict to accept the warning.`),
    ]);
    expect((await cli.json<{ drafts: object[] }>('ls')).drafts).toEqual([]);
  });

  test('annotate: a warning; with --strict no change', async () => {
    const cli = await drafted();
    const annotate = ['annotate', '--platform', 'linux/arm64', '--variant', 'v10'];
    const refused = await cli.run([...annotate, '--strict']);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining(arm64)]);
    expect(await cli.must('inspect')).not.toContain('v10');
    expect(await cli.run(annotate)).toMatchObject({ code: 0, stderr: expect.stringContaining(arm64) as unknown });
  });

  test.each(['linux/arm64/v8', 'linux/arm64/v9.2', 'linux/arm/v6', 'linux/amd64/v3'])('%s is one', async (platform) => {
    const cli = await CliHarness.make();
    const { code, stderr } = await create(cli, platform, '--strict');
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('picks this image')]);
  });
});

describe('platforms in the output of show', () => {
  const versions = ['Ubuntu 16.04.7', 'macOS 13.6, build 22G120', '10.0.20348+1'];
  const shown = ['linux(Ubuntu 16.04.7)/amd64', 'linux(macOS 13.6, build 22G120)/amd64', 'linux(10.0.20348%2B1)/amd64'];
  const list = () => at('team/app:versions');

  async function withDraft(): Promise<CliHarness> {
    const cli = await CliHarness.make();
    for (const version of versions) {
      const platform = { architecture: 'amd64', os: 'linux', 'os.version': version };
      await pushImage(
        registry.url,
        'team/app',
        `v${versions.indexOf(version)}`,
        makeImage({ salt: version, platform }),
      );
    }
    await cli.must(
      'create',
      list(),
      ...versions.map((_, n) => at(`team/app:v${n}`)),
      '--push',
      '--expect',
      shown.join(),
    );
    return cli;
  }

  test('show prints versions that can be typed', async () => {
    const stdout = await (await withDraft()).must('show', list());
    for (const platform of shown) expect(stdout).toContain(platform);
  });

  test.each(shown)('%s', async (platform) => {
    const cli = await withDraft();
    await cli.must('resolve', list(), '--platform', platform);
    await cli.must('explain', list(), '--platform', platform);
    await cli.must('inspect', list(), '--platform', platform);
    await cli.must('copy', `docker://${list()}`, 'oci:there', '--platform', platform, '--expect', platform);
    await cli.must('annotate', list(), '--platform', platform, '--annotation', 'k=v');
    await cli.must('create', at('team/app:one'), `${at('team/app:amd64')}=${platform}`);
    expect(await cli.must('show', at('team/app:one'))).toContain(platform);
    const joined = ['join', at(`team/app:joined${shown.indexOf(platform)}`), `${at('team/app:amd64')}=${platform}`];
    expect(await cli.json(...joined, '--group', 'g', '--expect', platform)).toMatchObject({ complete: true });
    await cli.must('remove', list(), '--platform', platform);
    expect(await cli.must('show', list())).not.toContain(platform);
  });

  test.each(['linux(Ubuntu\n16)/amd64', 'linux(10.0.*)/amd64', 'linux(a/amd64', 'lin ux/amd64', 'linux/amd 64'])(
    '%j is still refused',
    async (platform) => {
      expect(await (await CliHarness.make()).run(['resolve', 'a', '--platform', platform])).toMatchObject({ code: 2 });
    },
  );
});

describe('remove --platform', () => {
  const left = async (cli: CliHarness) => (await cli.json<{ entries: object[] }>('show')).entries.length;

  test.each<[string, readonly string[]]>([
    ['with commas', ['--platform', 'linux/amd64,linux/s390x']],
    ['several times', ['--platform', 'linux/amd64', '--platform', 's390x']],
    ['beside the list', [':list', '--platform', 'linux/amd64,linux/s390x']],
  ])('%s', async (_name, args) => {
    const cli = await drafted();
    await cli.must('remove', ...args.map((arg) => arg.replace(/^:/, `${registry.host}/team/app:`)));
    expect(await left(cli)).toBe(1);
  });

  test('a missing platform: removes nothing', async () => {
    const cli = await drafted();
    const { code, stderr } = await cli.run(['remove', '--platform', 'linux/amd64,linux/386']);
    expect([code, stderr]).toEqual([4, expect.stringContaining('has no entry for linux/386')]);
    expect(await left(cli)).toBe(3);
  });
});

describe('commands of other tools', () => {
  test.each<[string, RegExp]>([
    ['list', /mlist ls/],
    ['tag', /mlist push -t :TAG.*mlist copy SRC DST/],
    ['cp', /mlist copy SRC DST/],
    ['pull', /mlist copy REF oci:DIR/],
    ['drop', /mlist rm LIST.*mlist delete REF/],
    ['manifest', /mlist annotate/],
    ['constructor', /mlist --help/],
    ['psuh', /did you mean push\?/],
  ])('%s', async (name, hint) => {
    const { code, stdout, stderr } = await (await CliHarness.make()).run([name]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(hint);
  });

  test('delete of a name that only a draft has: the hint is rm', async () => {
    const cli = await drafted();
    const { code, stderr } = await cli.run(['delete', at('team/app:list')]);
    expect(code).toBe(4);
    expect(stderr).toContain(`mlist rm ${at('team/app:list')}`);
  });
});

describe('files', () => {
  test('create -f with a missing file: an error', async () => {
    const cli = await CliHarness.make();
    expect(await cli.run(['create', 'x.io/a', '-f', 'nope'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('cannot read nope: no such file or directory') as unknown,
    });
    expect(await cli.run(['create', 'x.io/a', '-f', '.'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('cannot read .: it is a folder') as unknown,
    });
  });
});

describe('help', () => {
  test('prints value names and own options, and does not wrap examples', async () => {
    const cli = await CliHarness.make({ terminal: true, columns: 60 });
    const { stdout } = await cli.run(['create', '--help']);
    expect(stdout).toMatch(/^ +--format FORMAT /m);
    expect(stdout).toMatch(/^ +-f, --file FILE /m);
    expect(stdout).toMatch(/^Options:\n(?:.+\n)+\nRun "mlist help options" /m);
    expect(stdout).not.toContain('--json');
    expect(stdout).toContain('\n  mlist create team/app:1.0 team/app:1.0-amd64 team/app:1.0-arm=linux/arm/v7\n');
  });

  test('serve lists the supported hashes', async () => {
    const help = (await (await CliHarness.make()).must('serve', '--help')).replaceAll(/\s+/g, ' ');
    for (const kind of ['bcrypt', '{SHA}', '{SHA256}']) expect(help).toContain(kind);
  });
});

describe('ls', () => {
  const long = 'registry.example.com/a/name/of/some/length/app:1.0';

  async function listed(options: {
    readonly terminal: boolean;
    readonly columns?: number;
  }): Promise<readonly string[]> {
    const cli = await drafted();
    await cli.must('create', long, ...architectures.map((name) => at(`team/app:${name}`)));
    await writeFile(join(cli.workspace, 'drafts', 'damaged.json'), '{');
    return (await cli.run(['ls', '-q'], options)).stdout.trimEnd().split('\n');
  }

  test('aligns columns', async () => {
    const lines = await listed({ terminal: false });
    expect(lines).toHaveLength(3);
    const starts = lines.filter((line) => line.includes('docker')).map((line) => line.search(/docker {2}linux/));
    expect(starts).toEqual([2 + long.length + 2, 2 + long.length + 2]);
    expect(lines.filter((line) => line.startsWith('* '))).toEqual([
      `* ${long}  docker  linux/amd64 linux/arm64 linux/s390x`,
    ]);
  });

  test.each([40, 60, 90, 200])('on a terminal of %d columns no platform is cut', async (columns) => {
    const lines = await listed({ terminal: true, columns });
    const platforms = lines.flatMap((line) => line.match(/linux\/\w+/g) ?? []);
    expect(platforms.sort()).toEqual([...architectures, ...architectures].map((name) => `linux/${name}`).sort());
    const wide = lines.filter((line) => line.length > columns);
    expect(wide.every((line) => /docker$|damaged$/.test(line))).toBe(true);
  });
});

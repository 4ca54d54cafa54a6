import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { globalOptions, optionsOf } from '../../src/cli/args/global-options.ts';
import { commands } from '../../src/cli/commands/commands.ts';
import { hintOf } from '../../src/cli/output/remedy-hint.ts';
import { MlistError } from '../../src/errors/errors.ts';
import type { Remedy } from '../../src/errors/remedy.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { version } from '../../src/version.ts';
import { pushBuild } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { writeSaved } from '../support/layouts.ts';
import { expectFits, readSchemas, schemas } from '../support/schemas.ts';
import { formatPlatform, type Platform } from '../../src/oci/platform/platform.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

let registry: RunningRegistry;
let at: (name: string) => string;
beforeAll(async () => {
  registry = await startRegistry();
  at = (name) => `${registry.host}/${name}`;
  await pushImage(registry.url, 'team/app', 'amd64', makeImage({ salt: 'a' }));
  await pushImage(
    registry.url,
    'team/app',
    'arm64',
    makeImage({ salt: 'b', platform: { architecture: 'arm64', os: 'linux' } }),
  );
  await pushBuild(registry.url, 'team/app', 'built', [{ architecture: 'riscv64', os: 'linux' }]);
});
afterAll(() => registry.close());

/** Every command with --json, in an order in which each has the input that it needs. */
function everyCommand(): readonly (readonly [schema: string, ...args: readonly string[]])[] {
  const list = at('team/app:list');
  return [
    ['version', '--version'],
    ['version', 'version'],
    ['doctor', 'doctor', registry.host],
    ['init', 'init', '--workspace', 'elsewhere'],
    ['create', 'create', list, at('team/app:amd64'), at('team/app:built')],
    ['add', 'add', at('team/app:arm64')],
    ['annotate', 'annotate', '--arch', 'arm64', '--variant', 'v8'],
    ['annotate', 'annotate', '--index-annotation', 'a=b'],
    ['ls', 'ls'],
    ['use', 'use', list],
    ['show', 'show'],
    ['inspect', 'inspect'],
    ['inspect', 'inspect', '--platform', 'linux/arm64'],
    ['digest', 'digest'],
    ['resolve', 'resolve', list, '--platform', 'linux/arm64'],
    ['resolve', 'resolve', at('team/app:amd64')],
    ['explain', 'explain'],
    ['explain', 'explain', list, '--platform', 'linux/arm64,linux/riscv64', '--platform', 'windows/amd64'],
    ['explain', 'explain', at('team/app:built')],
    ['validate', 'validate'],
    ['diff', 'diff'],
    ['push', 'push', '--dry-run', '--to', at('team/copy:list')],
    ['push', 'push'],
    ['push', 'push'],
    ['copy', 'copy', at('team/app:built'), 'oci:somewhere:v1', '--referrers', '--attestations', 'drop'],
    ['copy', 'copy', list, 'oci-archive:somewhere.tar'],
    [
      'join',
      'join',
      at('team/app:joined'),
      at('team/app:amd64'),
      '--expect',
      'linux/amd64,linux/arm64',
      '--group',
      '1',
    ],
    [
      'join',
      'join',
      at('team/app:joined'),
      at('team/app:arm64'),
      '--expect',
      'linux/amd64,linux/arm64',
      '--group',
      '1',
    ],
    ['join', 'join', at('team/app:joined'), at('team/app:built'), '--group', '2'],
    ['join', 'join', '--prune', at('team/app:joined')],
    ['digest', 'digest', 'oci-archive:somewhere.tar'],
    ['show', 'show', `docker://${list}`],
    ['show', 'show', at('team/app:amd64')],
    ['show', 'show', at('team/app:built'), '--tree', '--referrers'],
    ['show', 'show', at('team/app:amd64'), '--tree', '--sizes'],
    ['export', 'export'],
    ['export', 'export', `docker://${list}`, '--as', at('team/app:exported')],
    ['apply', 'apply', '-f', 'specs.yaml', '--dry-run'],
    ['apply', 'apply', '-f', 'specs.yaml'],
    ['inspect', 'inspect', at('team/app:amd64')],
    ['validate', 'validate', `docker://${list}`],
    ['validate', 'validate', '--deep', `docker://${list}`],
    ['annotate', 'annotate', `docker://${list}`, '--arch', 'amd64', '--annotation', 'a=b', '--push'],
    ['add', 'add', `docker://${list}`, at('team/app:arm64'), '--push', '--dry-run'],
    ['remove', 'remove', `docker://${list}`, '--platform', 'linux/riscv64', '--push'],
    ['exists', 'exists', list],
    ['tags', 'tags', at('team/app')],
    ['delete', 'delete', at('team/app:arm64')],
    ['remove', 'remove', '--platform', 'linux/riscv64'],
    ['prune', 'prune'],
    ['gc', 'gc', 'somewhere', '--grace', '0'],
    ['rm', 'rm', list],
    ['ls', 'ls'],
    ['login', 'login', registry.host, '--username', 'me', '--password-stdin'],
    ['logout', 'logout', registry.host],
    ['completion', 'completion', 'zsh'],
  ];
}

/** Input of `apply`: a list, and a copy. */
function specs(): string {
  const [first, second] = [`list: ${at('team/app:applied')}`, `list: ${at('team/copy:applied')}`];
  return `${first}\nmanifests: [${at('team/app:amd64')}]\n---\n${second}\ncopy: ${at('team/app:built')}\n`;
}

test('the results and the events of --json match their schemas, for every command', async () => {
  const cli = await CliHarness.make({ stdin: 'password' });
  await writeFile(join(cli.folder, 'specs.yaml'), specs());
  const types = new Set<string>();
  const image = makeImage({ salt: 'a' });
  await writeSaved(join(cli.folder, 'sparse'), { index: makeIndex([entryOf(image)]), content: [] });
  const run = async (...args: readonly string[]): Promise<CliResult> => {
    const result = await cli.run([...args, '--json', '--debug']);
    for (const line of result.stderr.split('\n').slice(0, -1)) {
      expectFits('event', line);
      expectBothForms(JSON.parse(line));
      types.add((JSON.parse(line) as { type: string }).type);
    }
    return result;
  };
  for (const [schema, ...args] of everyCommand()) {
    const { code, stdout } = await run(...args);
    expect([args, code]).toEqual([args, 0]);
    expectFits(schema, stdout);
    if (schema !== 'inspect' && schema !== 'export') expectBothForms(JSON.parse(stdout));
  }
  const covered = new Set(everyCommand().map(([, name]) => name));
  const silent = ['serve', 'docker-cli-plugin-metadata'];
  expect(commands.map(({ name }) => name).filter((name) => !covered.has(name) && !silent.includes(name))).toEqual([]);
  await run('create', at('team/app:x'), at('team/app:amd64'));
  await run('annotate', '--arch', 'x86_64');
  await run('annotate', '--arch', 'amd46');
  await run('copy', at('team/app:built'), 'oci:other:v1', '--platform', 'linux/riscv64', '--attestations', 'drop');
  await run('push', '--to', at('team/elsewhere:x'), '--to', 'oci:third:x', '--allow-duplicates');
  await run('push', '--to', 'localhost:1/x:y', '--to', 'oci:third:x', '--allow-duplicates', '--retries', '0');
  await run('copy', 'oci:sparse', at('team/filled:x'), '--missing', 'fill', '--fill-from', at('team/app'));
  await run('digest', at('team/none:x'));
  await run('digest', 'localhost:1/team/app:amd64', '--mirror', `localhost:1=${registry.url}`, '--retries', '0');
  const { $defs } = JSON.parse(readFileSync(join(schemas, 'output', 'event.schema.json'), 'utf8')) as { $defs: object };
  // test/cli/serve.test.ts covers the events of `serve`, which does not end.
  const others = Object.keys($defs).filter((type) => type !== 'access');
  expect([...types].sort()).toEqual([...others, 'error'].sort());
});

/** Objects with a `platform` have it as text and as an object. `inspect` and `export` print documents without changes. */
function expectBothForms(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const { platform, platformName, platformObject } = value as Readonly<Record<string, unknown>>;
  if (typeof platform === 'object') expect(platformName).toBe(formatPlatform(platform as Platform, { all: true }));
  if (typeof platform === 'string') expect(formatPlatform(platformObject as Platform, { all: true })).toBe(platform);
  for (const [name, member] of Object.entries(value)) if (name !== 'annotations') expectBothForms(member);
}

test('results and events name their subject in "ref"', () => {
  const names = new Set(['reference', 'subject', 'current']);
  const members = (value: unknown): readonly string[] =>
    typeof value !== 'object' || value === null
      ? []
      : Object.entries(value).flatMap(([name, member]) => [
          ...(name === 'properties' ? Object.keys(member as object) : []),
          ...members(member),
        ]);
  const outputs = readSchemas('output').filter(
    (schema) =>
      !['output/show.schema.json', 'output/ls.schema.json', 'output/copy.schema.json'].includes(
        (schema as { $id: string }).$id,
      ),
  );
  expect(outputs.flatMap(members).filter((name) => names.has(name))).toEqual([]);
});

test('stdout has only the result', async () => {
  const cli = await CliHarness.make();
  const list = at('team/app:list2');
  expect((await cli.run(['create', list, at('team/app:amd64')])).stdout).toBe(`Created manifest list ${list}\n`);
  expect((await cli.run(['annotate', '--variant', 'v2'])).stdout).toBe('');
  expect((await cli.run(['push'])).stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  expect((await cli.run(['rm', list])).stdout).toBe('');
});

test('--quiet prints only errors on stderr', async () => {
  const cli = await CliHarness.make();
  expect((await cli.run(['create', '-q', at('team/app:list3'), at('team/app:amd64')])).stderr).toBe('');
  expect((await cli.run(['push', '-q', 'x.io/none:1'])).stderr).toMatch(/^mlist: there is no draft/);
});

describe('errors', () => {
  test.each<[string, readonly string[], number, RegExp]>([
    ['no command', ['--json'], 2, /missing argument: COMMAND/],
    ['an unknown command', ['creat'], 2, /did you mean create/],
    ['an unknown option', ['create', 'a', '--amnd'], 2, /unknown option --amnd: did you mean --amend/],
    ['an unknown short option', ['ls', '-x'], 2, /unknown option -x/],
    ['a repeated single option', ['annotate', '--arch', 'a', '--arch', 'b'], 2, /--arch is given more than once/],
    ['an option without its value', ['annotate', '--arch'], 2, /arch/],
    ['an option that swallows another', ['annotate', '--arch', '--variant', 'v8'], 2, /arch/],
    ['an invalid choice', ['create', 'a', '--format', 'v2'], 2, /takes auto, oci or docker, not "v2"/],
    ['an invalid number', ['ls', '--retries', 'many'], 2, /takes a whole number/],
    ['too many arguments', ['ls', 'x'], 2, /unexpected argument: "x"\nhint: The usage is "mlist ls"/],
    [
      'too many beside a list',
      ['push', 'a', 'b'],
      2,
      /unexpected argument: "b"\nhint: The usage is "mlist push \[LIST\]"/,
    ],
    [
      'a list named twice',
      ['push', '--list', 'a', 'b'],
      2,
      /unexpected argument: "b" \(the list is already set by --list\)/,
    ],
    ['a list before the command', ['-l', 'x.io/none', 'push'], 4, /there is no draft x\.io\/none:latest/],
    ['too few arguments', ['use'], 2, /missing argument: LIST\n/],
    ['a bad reference', ['create', 'UPPER/Case:x'], 2, /must be lowercase/],
    ['a list by digest', ['push', `a@sha256:${'0'.repeat(64)}`], 2, /it has a digest/],
    ['a bad platform', ['create', 'a', 'b=linux'], 2, /architecture is missing/],
    ['an annotation without a value', ['annotate', '--annotation', 'k'], 2, /KEY=VALUE/],
    ['an invalid duration', ['push', '--timeout', 'soon'], 2, /takes a duration/],
    ['a bare word for a tag', ['push', '-t', 'v1'], 2, /Write :v1 for a tag/],
    ['no draft', ['push', 'x.io/none'], 4, /there is no draft x\.io\/none:latest/],
    ['a name that is an integer', ['rm', '0x10'], 4, /docker\.io\/library\/0x10:latest/],
  ])('%s', async (_name, args, code, message) => {
    const cli = await CliHarness.make();
    if (args[0] === 'push' && args[1] === '-t') await cli.must('create', at('team/app:l'), at('team/app:amd64'));
    if (args[0] === 'push' && args[1] === '--timeout') await cli.must('create', at('team/app:l'), at('team/app:amd64'));
    expect(await cli.run(args)).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(message) as unknown,
    });
    const events = (await cli.run([...args, '--json'])).stderr.trim().split('\n');
    for (const line of events) expectFits('event', line);
  });

  test('an unreachable registry', async () => {
    const cli = await CliHarness.make();
    const result = await cli.run(['create', 'a', 'localhost:1/x:y', '--retries', '0']);
    expect(result).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/cannot read localhost:1\/x:y: .*refused the connection/) as unknown,
    });
  });

  test('several failures: prints all, and exits with the highest code', async () => {
    const cli = await CliHarness.make();
    const result = await cli.run(['create', 'a', at('team/app:gone'), 'localhost:1/x:y', '--retries', '0', '--json']);
    expect(result.code).toBe(7);
    expect(
      result.stderr
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { exitCode: number }).exitCode)
        .sort(),
    ).toEqual([4, 7]);
  });

  test('a missing login is printed once for all blobs', async () => {
    const cli = await CliHarness.make();
    const htpasswd = join(cli.folder, 'users');
    await writeFile(htpasswd, 'me:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n');
    const guarded = await startRegistry({ htpasswd, anonymousPull: true });
    try {
      const args = ['copy', at('team/app:amd64'), `${guarded.host}/team/app:amd64`, '--quiet'];
      const { code, stderr } = await cli.run(args);
      expect(code).toBe(6);
      expect(stderr).toMatch(
        /^mlist: .* requires a login .*\n {2}and \d+ other errors? with the same message\nhint: .*\n$/,
      );
      const lines = (await cli.run([...args, '--json'])).stderr.trim().split('\n');
      expect(lines.length).toBeGreaterThan(1);
    } finally {
      await guarded.close();
    }
  });
});

describe('remedies', () => {
  const host = 'registry.example';
  const remedies: { readonly [K in Remedy['kind']]: Extract<Remedy, { kind: K }> } = {
    'plain-http': { kind: 'plain-http', host },
    'trust-certificate': { kind: 'trust-certificate', host },
    'trust-connection': { kind: 'trust-connection' },
    'trust-token-service': { kind: 'trust-token-service', registry: host, host: 'auth.example' },
    'allow-registry': { kind: 'allow-registry', registry: host, access: 'read' },
    'allow-outside': { kind: 'allow-outside' },
    mirror: { kind: 'mirror', registry: host },
    'ignore-registry-configuration': { kind: 'ignore-registry-configuration', change: 'file' },
    http1: { kind: 'http1' },
    'more-time': { kind: 'more-time' },
    'more-temporary-space': { kind: 'more-temporary-space' },
    'omit-missing': { kind: 'omit-missing', canChoose: true, isOmitted: false },
    fill: { kind: 'fill' },
    'fill-from': { kind: 'fill-from', isAnother: false },
    'omit-foreign-layer': { kind: 'omit-foreign-layer' },
    'drop-attestations': { kind: 'drop-attestations' },
    'allow-empty': { kind: 'allow-empty' },
    'resolve-duplicates': { kind: 'resolve-duplicates' },
    'convert-to-oci': { kind: 'convert-to-oci', list: 'team/app:1.0' },
    'replace-image': { kind: 'replace-image' },
    'expect-digest': { kind: 'expect-digest', digest: 'absent' },
    'choose-entry': { kind: 'choose-entry' },
    'name-change': { kind: 'name-change' },
    'name-repository': { kind: 'name-repository' },
    'not-strict': { kind: 'not-strict' },
    'hash-password': { kind: 'hash-password' },
    'name-folder': { kind: 'name-folder' },
    join: { kind: 'join', change: 'set-group' },
    'report-bug': { kind: 'report-bug' },
  };
  const options = new Set([globalOptions, ...commands.map(optionsOf)].flat().map(({ name }) => `--${name}`));

  test.each(Object.entries(remedies))('%s: options are named on the command line only, and exist', (_kind, remedy) => {
    const error = new MlistError('ERR_MLIST_REGISTRY', 'it fails', { remedy });
    expect(error.hint).toMatch(/^[A-Z].*\.$/);
    expect(error.hint).not.toContain('--');
    const named = hintOf(error)?.match(/--[a-z\d-]+/g) ?? [];
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(options).toContain(name);
  });
});

describe('help', () => {
  test.each(commands.map(({ name }) => name))('%s --help', async (name) => {
    const cli = await CliHarness.make();
    const { code, stdout, stderr } = await cli.run([name, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: mlist ${name}`);
  });

  test.each([[[]], [['--help']], [['-h']], [['help']]])('%j: the overview of all commands', async (args) => {
    const cli = await CliHarness.make();
    const { code, stdout, stderr } = await cli.run(args);
    expect([code, stderr]).toEqual([0, '']);
    for (const { name, hidden = false } of commands)
      expect([name, new RegExp(`^  ${name} `, 'm').test(stdout)]).toEqual([name, !hidden]);
  });

  test.each([[['--json']], [['--no-input']], [['--']]])('%j without a command is an error', async (args) => {
    const { code, stdout } = await (await CliHarness.make()).run(args);
    expect([code, stdout]).toEqual([2, '']);
  });

  test('help for one command, and for the global options', async () => {
    const cli = await CliHarness.make();
    expect(await cli.must('help', 'push')).toBe(await cli.must('push', '--help'));
    const options = await cli.must('help', 'options');
    for (const { name } of globalOptions) expect(options).toMatch(new RegExp(` --${name}(?: |$)`, 'm'));
  });

  test.each([60, 80, 100, 300])('on a terminal of %d columns every line of help fits', async (columns) => {
    const cli = await CliHarness.make({ terminal: true, columns });
    const topics = [undefined, 'options', ...commands.map(({ name }) => name)];
    const lines: string[] = [];
    for (const topic of topics) lines.push(...(await cli.must('help', ...(topic ? [topic] : []))).split('\n'));
    // A usage and an example are not wrapped below 80 columns, so that they can be copied.
    const isFree = (line: string) => columns < 80 && line.length <= 80 && / mlist |^ {4}/.test(line);
    expect(lines.filter((line) => line.length > Math.min(columns, 100) && !isFree(line))).toEqual([]);
  });

  test('the version is that of the package', async () => {
    const cli = await CliHarness.make();
    const { version: packaged } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    expect([await cli.must('--version'), version]).toEqual([packaged, packaged]);
  });

  test.each(['bash', 'zsh', 'fish'])('the completion script for %s', async (shell) => {
    const cli = await CliHarness.make();
    expect(await cli.must('completion', shell)).toContain('mlist --complete');
    expect((await cli.run(['completion', `${shell}x`])).code).toBe(2);
  });
});

/** Characters that a terminal interprets: the control characters C0 and C1, and those for the writing direction. */
const dangerous = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

describe('escapes control characters on a terminal', () => {
  const escapes = 'a\u001b[31mred\u0007\u009b2J\u202eback\u007f';

  async function hostile({ terminal = true, evil = escapes } = {}): Promise<CliHarness> {
    const cli = await CliHarness.make({ terminal, env: { NO_COLOR: '1' } });
    const image = makeImage({
      salt: 'evil',
      kind: 'oci',
      platform: { architecture: 'amd64', os: 'linux', variant: evil },
    });
    await pushImage(registry.url, 'evil/app', 'image', image);
    const index = makeIndex([entryOf(image, { architecture: evil, os: evil }, { annotations: { [evil]: evil } })], {
      annotations: { [evil]: evil },
      [evil]: evil,
    });
    await putManifest(registry.url, 'evil/app', 'index', index.mediaType, index.bytes);
    return cli;
  }

  const commands: readonly [string, readonly string[]][] = [
    ['create', ['create', 'evil/app:list', 'evil/app:index', 'evil/app:image']],
    ['show', ['show', 'evil/app:index']],
    ['show --tree', ['show', 'evil/app:index', '--tree']],
    ['show --format markdown', ['show', 'evil/app:index', '--format', 'markdown']],
    ['explain --format markdown', ['explain', 'evil/app:index', '--format', 'markdown']],
    ['diff --format markdown', ['diff', 'evil/app:index', 'evil/app:image', '--format', 'markdown']],
    ['explain', ['explain', 'evil/app:index']],
    ['inspect', ['inspect', 'evil/app:index']],
    ['inspect --raw', ['inspect', 'evil/app:index', '--raw']],
    ['inspect --json', ['inspect', 'evil/app:index', '--json']],
    ['inspect -v', ['inspect', 'evil/app:image', '-v']],
    ['validate', ['validate', 'evil/app:index']],
  ];
  const typed = (evil: string): readonly [string, readonly string[]][] => [
    ['an unknown option', ['ls', `--${evil}`]],
    ['an unknown command', [evil]],
    ['a bad reference', ['create', evil]],
    ['a bad platform', ['create', 'a', `b=${evil}`]],
  ];
  const located = (args: readonly string[]) => args.map((arg) => arg.replace(/^evil\//, `${registry.host}/evil/`));

  test.each([...commands, ...typed(escapes)])('%s', async (_name, args) => {
    const { stdout, stderr } = await (await hostile()).run(located(args));
    expect(stdout + stderr).not.toMatch(dangerous);
    expect(stdout + stderr).not.toBe('');
  });

  /** What the runners of GitHub, Azure Pipelines and TeamCity execute in a log. */
  const executed = /^\s*::|##\[|##vso\[|##teamcity\[/m;
  // `inspect` prints exact bytes into a pipe.
  const inLogs = commands.filter(([name]) => !name.startsWith('inspect') || name.endsWith('--json'));

  test.each(inLogs)('commands for a CI system have no effect: %s', async (_name, args) => {
    for (const evil of ['::set-output name=digest::sha256:0', '##[add-mask]a', '##vso[task.x]a', '##teamcity[a]']) {
      const { stdout, stderr } = await (await hostile({ terminal: false, evil })).run(located(args));
      expect(stdout + stderr).not.toMatch(executed);
      expect(stdout + stderr).not.toBe('');
    }
  });

  test('a document of --json keeps its values', async () => {
    const evil = '##[add-mask]a';
    const { stdout } = await (
      await hostile({ terminal: false, evil })
    ).run(located(['inspect', 'evil/app:index', '--json']));
    expect(stdout).toContain('\\u0023#[');
    expect(JSON.stringify(JSON.parse(stdout))).toContain(evil);
  });

  test.each(['show', 'explain'])('the columns of %s stay where they are', async (command) => {
    const cli = await CliHarness.make({ terminal: true });
    const [one, other] = ['one', 'other'].map((salt) => makeImage({ salt, kind: 'oci' }));
    for (const image of [one!, other!]) await pushImage(registry.url, 'evil/app', undefined, image);
    const index = makeIndex([
      entryOf(one!, { architecture: 'amd64', os: escapes }),
      entryOf(other!, { architecture: 'arm64', os: 'linux' }),
    ]);
    await putManifest(registry.url, 'evil/app', 'columns', index.mediaType, index.bytes);
    const lines = (await cli.must(command, at('evil/app:columns'))).split('\n');
    const [first, second] = [one!, other!].map(({ digest }) => {
      const short = digest.slice(0, 'sha256:'.length + 12);
      return lines.find((line) => line.includes(short) && line.includes('/'))?.indexOf(short);
    });
    expect(first).toBeGreaterThan(0);
    expect(second).toBe(first);
  });

  test('annotations of a draft', async () => {
    const cli = await CliHarness.make({ terminal: true });
    await cli.must('create', at('team/app:evil'), at('team/app:amd64'));
    await cli.must('annotate', '--annotation', `${escapes}=${escapes}`);
    for (const args of [['show', '--tree'], ['inspect'], ['validate'], ['push']]) {
      const { stdout, stderr } = await cli.run(args);
      expect(stdout + stderr).not.toMatch(dangerous);
    }
  });

  test('a damaged draft with a strange name', async () => {
    const cli = await CliHarness.make({ terminal: true });
    await mkdir(join(cli.workspace, 'drafts'), { recursive: true });
    await writeFile(join(cli.workspace, 'drafts', 'a\u001b[31m.json'), '{}');
    await cli.must('create', at('team/app:sound'), at('team/app:amd64'));
    const { code, stdout, stderr } = await cli.run(['ls']);
    expect(code).toBe(0);
    expect(stdout).toContain('damaged');
    const columns = stdout.split('\n').map((line) => / {2}(?:damaged|auto|docker|oci)\b/.exec(line)?.index);
    expect(columns).toEqual([columns[1], expect.any(Number), undefined]);
    expect(stdout + stderr).not.toMatch(dangerous);
  });

  test('exact bytes in a file or a pipe', async () => {
    const cli = await hostile();
    const { stdout } = await cli.run(['inspect', '--raw', at('evil/app:index')], { terminal: false });
    expect(stdout).toContain('\u009b');
  });

  test('colours on a terminal only, and not with NO_COLOR', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('team/app:colour'), at('team/app:amd64'));
    const shown = async (terminal: boolean, env: Record<string, string>): Promise<CliResult> =>
      cli.run(['show'], { terminal, env });
    expect((await shown(true, { NO_COLOR: '' })).stdout).toContain('\u001b[');
    expect((await shown(true, { NO_COLOR: '1' })).stdout).not.toContain('\u001b[');
    expect((await shown(false, { NO_COLOR: '' })).stdout).not.toContain('\u001b[');
  });
});

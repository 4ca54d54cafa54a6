import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { ActionRunner, type ActionResult } from '../support/action-runner.ts';
import { hasOpenssl } from '../support/certificates.ts';
import { casesOf } from '../support/long.ts';
import { checkout } from '../support/mlist.ts';

/** The script of the setup action. gh and npm are replaced by programs that serve files of a folder and record their calls. */
const onUnix = process.platform === 'win32' ? describe.skip : describe;

let runner: ActionRunner;
beforeEach(async () => {
  runner = await ActionRunner.make();
  await runner.program('gh', gh());
  await publish('1.2.3');
});

const target = `${{ linux: 'linux', darwin: 'macos' }[process.platform as 'linux' | 'darwin']}-${process.arch}`;
const archiveOf = (version: string) => `mlist-${version}-${target}.tar.gz`;
const setup = (inputs: Readonly<Record<string, string>>, env?: Readonly<Record<string, string>>) =>
  runner.run('setup/setup.js', inputs, env);
const errors = ({ commands }: ActionResult) => commands.filter(({ name }) => name === 'error').map(({ text }) => text);
const inTools = () => readdir(join(runner.folder, 'tools'));

interface Call {
  readonly args: readonly string[];
  readonly token?: string;
}

async function calls(): Promise<readonly Call[]> {
  const text = await readFile(join(runner.folder, 'calls'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Call);
}

/** A gh that downloads from the folder `release`, and accepts attestations unless a file `refused` exists. */
const gh = () => `#!${process.execPath}
const { appendFileSync, copyFileSync, existsSync } = require('node:fs');
const args = process.argv.slice(2);
const at = (name) => ${JSON.stringify(runner.folder)} + '/' + name;
appendFileSync(at('calls'), JSON.stringify({ args, token: process.env.GH_TOKEN }) + '\\n');
if (args[0] === 'release') {
  const values = (option) => args.flatMap((arg, i) => (arg === option ? [args[i + 1]] : []));
  for (const name of values('--pattern')) copyFileSync(at('release/' + name), values('--dir')[0] + '/' + name);
} else if (existsSync(at('refused'))) {
  console.error('::error::no attestations found');
  process.exit(1);
}
`;

/** Publishes a release whose program reports a version. */
async function publish(version: string, { reports = version, folder = '.', sum = '' } = {}): Promise<void> {
  const [files, release] = [join(runner.folder, 'files', folder), join(runner.folder, 'release')];
  for (const name of [files, release]) await mkdir(name, { recursive: true });
  await writeFile(join(files, 'mlist'), `#!/bin/sh\necho ${reports}\n`);
  await chmod(join(files, 'mlist'), 0o755);
  const archive = join(release, archiveOf(version));
  execFileSync('tar', ['-czf', archive, '-C', join(runner.folder, 'files'), folder === '.' ? 'mlist' : folder]);
  const digest =
    sum ||
    createHash('sha256')
      .update(await readFile(archive))
      .digest('hex');
  await writeFile(join(release, 'SHA256SUMS'), `${'0'.repeat(64)}  other\n${digest}  ${archiveOf(version)}\n`);
}

onUnix('the setup action', () => {
  test('installs a release after the verification of its provenance, and adds it to PATH', async () => {
    const result = await setup({ version: 'v1.2.3' });
    const folder = join(runner.folder, 'tools', 'mlist', '1.2.3', process.arch);
    expect(result).toMatchObject({
      code: 0,
      commands: [],
      path: [folder],
      outputs: { version: '1.2.3', path: folder, 'cache-hit': 'false' },
    });
    expect(execFileSync(join(folder, 'mlist'), { encoding: 'utf8' })).toBe('1.2.3\n');
    const [download, verify, ...others] = await calls();
    const dir = download?.args[6] ?? '';
    expect(download).toEqual({
      token: 'job-token',
      args: [
        ...['release', 'download', 'v1.2.3', '--repo', 'owner/mlist', '--dir', dir],
        ...['--pattern', archiveOf('1.2.3'), '--pattern', 'SHA256SUMS'],
      ],
    });
    expect(verify).toEqual({
      token: 'job-token',
      args: [
        ...['attestation', 'verify', join(dir, archiveOf('1.2.3')), '--repo', 'owner/mlist'],
        ...['--signer-workflow', 'owner/mlist/.github/workflows/release.yml', '--source-ref', 'refs/tags/v1.2.3'],
        '--deny-self-hosted-runners',
      ],
    });
    expect(others).toEqual([]);
    expect(await readdir(join(runner.folder, 'temp'))).toEqual([]);
  });

  test('uses the tool cache, but no unverified program if it should be verified, nor one of another repository', async () => {
    const cached = async (inputs: Readonly<Record<string, string>>, env?: Readonly<Record<string, string>>) => {
      const { code, outputs } = await setup({ version: '1.2.3', ...inputs }, env);
      return code === 0 ? outputs['cache-hit'] : 'failed';
    };
    expect(await cached({ verify: 'false' })).toBe('false');
    expect(await cached({ verify: 'false' })).toBe('true');
    expect(await cached({})).toBe('false');
    expect(await cached({})).toBe('true');
    expect(await cached({ verify: 'false' })).toBe('true');
    expect((await calls()).map(({ args }) => args[0])).toEqual(['release', 'release', 'attestation']);
    expect(await cached({}, { GITHUB_ACTION_REPOSITORY: '' })).toBe('false');
    expect((await calls()).at(-1)?.args).toContain('user/project');
  });

  test('installs the version of the action by default', async () => {
    const { version } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as { version: string };
    await publish(version);
    expect(await setup({})).toMatchObject({ code: 0, outputs: { version } });
  });

  test('without verification prints a warning', async () => {
    const result = await setup({ version: '1.2.3', verify: 'false' });
    expect([result.code, result.commands.map(({ name }) => name)]).toEqual([0, ['warning']]);
    expect((await calls()).map(({ args }) => args[0])).toEqual(['release']);
  });

  test('verifies the provenance if a workflow passes an empty value', async () => {
    expect(await setup({ version: '1.2.3', verify: '' })).toMatchObject({ code: 0, commands: [] });
    expect((await calls()).map(({ args }) => args[0])).toEqual(['release', 'attestation']);
  });
});

onUnix('what cannot be installed', () => {
  const refused = async (result: Promise<ActionResult>, message: RegExp) => {
    const { code, path, outputs, ...rest } = await result;
    expect({ code, path, outputs, errors: errors({ code, path, outputs, ...rest }) }).toEqual({
      code: 1,
      path: [],
      outputs: {},
      errors: [expect.stringMatching(message)],
    });
  };

  const versions = [
    'latest',
    '1',
    '1.x',
    '^1.2.3',
    '../1.2.3',
    '$(touch pwned)',
    '1.2.3 --repo x/y',
    '1.2.3\n1.2.4',
    '--help',
  ];
  test.each(casesOf(versions, 6))('version %j is refused before any download', async (version) => {
    await refused(setup({ version }), /^the input "version" must be an exact version/);
    expect(await calls()).toEqual([]);
  });

  test('a release without valid provenance', async () => {
    await writeFile(join(runner.folder, 'refused'), '');
    await refused(setup({ version: '1.2.3' }), /^the build provenance of \S+ cannot be verified/);
    expect(await inTools()).toEqual([]);
  });

  const releases: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
    ['a damaged download', () => publish('1.2.3', { sum: 'a'.repeat(64) }), /instead of a{64}$/],
    ['a missing digest', () => publish('1.2.3', { sum: 'none' }), /SHA256SUMS of the release has no line/],
    ['a program of another version', () => publish('1.2.3', { reports: '1.2.2' }), /reports version 1.2.2 instead/],
    [
      'a program that does not run',
      () => publish('1.2.3', { reports: '1.2.3; exit 3' }),
      /does not run on this system/,
    ],
    ['an archive without the program', () => publish('1.2.3', { folder: 'a' }), /contains no mlist$/],
  ];
  test.each(casesOf(releases, 4))('%s', async (_name, change, message) => {
    await change();
    await refused(setup({ version: '1.2.3' }), message);
    expect(await inTools()).toEqual([]);
  });

  test('a release that does not exist', async () => {
    await refused(setup({ version: '9.9.9' }), /^mlist 9.9.9 cannot be downloaded: "gh release download" ended with/);
  });

  test('without gh', async () => {
    await refused(setup({ version: '1.2.3' }, { PATH: '/nonexistent' }), /gh is not installed.*install the GitHub CLI/);
  });

  test.each([
    [{ source: 'docker' }, /must be "release" or "npm"/],
    [{ verify: 'no' }, /must be "true" or "false"/],
  ])('%j', async (inputs, message) => {
    await refused(setup({ version: '1.2.3', ...inputs }), message);
  });

  (process.platform === 'linux' ? test : test.skip)(
    'the executable on a system with musl: npm is named, but not used',
    async () => {
      const preload = join(runner.folder, 'musl.cjs');
      await writeFile(preload, 'process.report.getReport = () => ({ header: {} });\n');
      await runner.program('npm', '#!/bin/sh\nexit 9\n');
      const env = { NODE_OPTIONS: `--require ${preload}` };
      await refused(setup({ version: '1.2.3' }, env), /this system uses musl .* set "source: npm"/);
      expect(await calls()).toEqual([]);
    },
  );
});

(hasOpenssl() ? onUnix : describe.skip)('source: npm (openssl)', () => {
  const workflow = 'https://github.com/owner/mlist/.github/workflows/release.yml@refs/tags/v1.2.3';

  /** An npm that installs a program and reports these attestations; undefined for a version of npm without them. */
  async function npm(attestationBundles: readonly object[] | undefined): Promise<void> {
    const verified = attestationBundles && [{ name: 'mlist', version: '1.2.3', attestationBundles }];
    await runner.program(
      'npm',
      `#!${process.execPath}
const { mkdirSync, writeFileSync, appendFileSync } = require('node:fs');
appendFileSync(${JSON.stringify(join(runner.folder, 'calls'))}, JSON.stringify({ args: process.argv.slice(2) }) + '\\n');
if (process.argv[2] === 'install') {
  mkdirSync('node_modules/.bin', { recursive: true });
  writeFileSync('node_modules/.bin/mlist', '#!/bin/sh\\necho 1.2.3\\n', { mode: 0o755 });
} else console.log(${JSON.stringify(JSON.stringify({ invalid: [], missing: [], verified }))});
`,
    );
  }

  function provenance(signer: string): object {
    const certificate = execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-subj', '/', '-addext', `subjectAltName=URI:${signer}`, '-outform', 'DER', '-keyout', '/dev/null'],
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const rawBytes = certificate.toString('base64');
    return {
      predicateType: 'https://slsa.dev/provenance/v1',
      bundle: { verificationMaterial: { certificate: { rawBytes } } },
    };
  }

  test('installs the package if the release workflow has built it', async () => {
    await npm([provenance(workflow)]);
    const result = await setup({ version: '1.2.3', source: 'npm' });
    expect(result).toMatchObject({ code: 0, outputs: { version: '1.2.3', 'cache-hit': 'false' } });
    expect(execFileSync(join(result.path[0] ?? '', 'mlist'), { encoding: 'utf8' })).toBe('1.2.3\n');
    expect((await calls()).map(({ args }) => args)).toEqual([
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', 'mlist@1.2.3'],
      ['audit', 'signatures', '--json', '--include-attestations'],
    ]);
  });

  const untrusted: readonly (readonly [string, () => readonly object[] | undefined, RegExp])[] = [
    ['by another repository', () => [provenance(workflow.replace('owner', 'other'))], /built by URI:\S*other/],
    ['for another tag', () => [provenance(workflow.replace('v1.2.3', 'v1.2.2'))], /instead of URI:/],
    ['without provenance', () => [], /has no provenance/],
    ['and an npm that reports no attestations', () => undefined, /this npm does not report attestations; update it/],
  ];
  test.each(casesOf(untrusted, 2))('refuses a package that was built %s', async (_name, bundles, message) => {
    await npm(bundles());
    const result = await setup({ version: '1.2.3', source: 'npm' });
    expect([result.code, result.path, errors(result)]).toEqual([1, [], [expect.stringMatching(message)]]);
    expect(await inTools()).toEqual([]);
  });
});

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { answer, RecordingProxy, hang, type Rule } from '../support/recording-proxy.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { withTimeLimit } from '../support/limits.ts';
import { runMlist } from '../support/mlist.ts';
import { describeOnFirstRegistry, type Registry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { expectFits } from '../support/schemas.ts';

/** `create --push`. */

const amd64 = makeImage({ salt: 'amd64', platform: { architecture: 'amd64', os: 'linux' } });
const arm64 = makeImage({ salt: 'arm64', platform: { architecture: 'arm64', os: 'linux' } });

describeOnFirstRegistry('create --push', (start) => {
  let registry: Registry;
  let cli: CliHarness;
  let rounds = 0;
  let repository: string;
  let list: string;
  let images: readonly string[];
  beforeAll(async () => {
    registry = await start();
    await pushImage(registry.url, 'team/amd64', 'v1', amd64);
    await pushImage(registry.url, 'team/arm64', 'v1', arm64);
    images = ['amd64', 'arm64'].map((name) => `${registry.host}/team/${name}:v1`);
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    cli = await CliHarness.make();
    rounds += 1;
    repository = `made/r${rounds}`;
    list = `${registry.host}/${repository}:v1`;
  });

  test('prints the digest, writes all tags, and keeps the draft', async () => {
    const digest = await cli.must('create', list, ...images, '--push', '-t', ':latest');
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    for (const tag of ['v1', 'latest']) expect((await getManifest(registry.url, repository, tag))?.digest).toBe(digest);
    expect(await cli.must('digest', list)).toBe(digest);
    expect(await cli.must('create', list, ...images, '--push')).toBe(digest);
    expect(await cli.must('push', list)).toBe(digest);
  });

  test('reads a tag again that had this list while the sources were read', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    const through = (name: string) => name.replace(registry.host, proxy.host);
    const digest = await cli.must('create', through(list), ...images.map(through), '--push');
    await cli.must('rm', through(list));
    const had = { 'docker-content-digest': digest, 'content-type': 'application/json', 'content-length': 1 };
    const moveThen: Rule = async (exchange) => {
      await pushImage(registry.url, repository, 'v1', amd64);
      await answer(200, had)(exchange);
    };
    proxy.on(/^HEAD .*manifests\/v1$/, moveThen, 1);
    proxy.clear();
    expect(await cli.must('create', through(list), ...images.map(through), '--push')).toBe(digest);
    expect(proxy.requestsMatching(/^HEAD .*manifests\/v1$/)).toHaveLength(2);
    expect((await getManifest(registry.url, repository, 'v1'))?.digest).toBe(digest);
  });

  test('reports the previous digest of a tag that this workspace pushed and another client has moved', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    const through = (name: string) => name.replace(registry.host, proxy.host);
    const digest = await cli.must('create', through(list), through(images[0]!), '--push');
    const moveFirst: Rule = async ({ pass }) => {
      await pushImage(registry.url, repository, 'v1', amd64);
      await pass();
    };
    proxy.on(/^GET .*team\/arm64\/manifests/, moveFirst, 1);
    const args = ['create', '--amend', through(list), through(images[1]!), '--push', '--json'];
    const { code, stdout, stderr } = await cli.run(args);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(`referred to ${amd64.digest} before this push, not to ${digest}`),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ pushed: { targets: [{ before: amd64.digest }] } });
  });

  test('does not wait longer than necessary for a tag that the registry does not answer', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    const target = list.replace(registry.host, proxy.host);
    proxy.on(/^HEAD /, hang);
    const env = { HOME: cli.folder };
    // A source that is not read within the limit is a different failure.
    const create = (source: string, ...more: readonly string[]) =>
      withTimeLimit(async (limit) => {
        proxy.clear();
        const result = await runMlist(['create', target, source, '--push', '--timeout', limit, ...more], env);
        return result.code === 7 && result.stderr.includes(source) ? undefined : result;
      });
    expect(await create(`${registry.host}/team/none:v1`)).toMatchObject({ code: 4 });
    // Retries after the error would keep the process alive.
    expect(proxy.requestsMatching(/^HEAD /)).toHaveLength(1);
    expect(await create(images[0]!, '--retries', '1')).toMatchObject({ code: 7 });
    expect(proxy.requestsMatching(/^HEAD /)).toHaveLength(2);
  });

  test('reads the tag once, just before it moves, if all images are in its repository', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    await pushImage(registry.url, repository, 'amd64', amd64);
    await cli.must('create', `${proxy.host}/${repository}:v1`, `${proxy.host}/${repository}:amd64`, '--push');
    expect(proxy.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'HEAD', 'PUT']);
  });

  test('prints the draft and the push as one document', async () => {
    const document = await cli.json('create', list, ...images, '--push');
    const pushed = { ref: list, targets: [{ ref: list, status: 'pushed', before: 'absent' }] };
    expect(document).toMatchObject({ ref: list, changed: true, entries: [{}, {}], pushed });
  });

  test('writes nothing with --dry-run, and prints the digest of the later push', async () => {
    const digest = await cli.must('create', list, ...images, '--push', '--dry-run');
    expect(await cli.must('ls')).toBe('');
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    expect(await cli.must('create', list, ...images, '--push')).toBe(digest);
    await cli.must('annotate', list, '--arch', 'arm64', '--annotation', 'a=b');
    expect(await cli.must('create', '--amend', list, ...images, '--push', '--dry-run')).not.toBe(digest);
    expect((await getManifest(registry.url, repository, 'v1'))?.digest).toBe(digest);
  });

  test('--dry-run prints the plan for several tags of one repository once', async () => {
    const names = ['-t', ':v2', '-t', ':v3'];
    const { code, stderr } = await cli.run(['create', list, ...images, '--push', '--dry-run', ...names]);
    expect([code, stderr.match(/^plan for /gm)?.length]).toEqual([0, 1]);
    expect(stderr.match(/^ {2}tag +\S+/gm)).toHaveLength(3);
    expect(stderr).toMatch(/^plan for \S+, \S+:v2, \S+:v3$/m);
  });

  test('refuses a list that lacks a platform of --expect before any write; the draft can be fixed', async () => {
    const [first = '', second = ''] = images;
    const result = await cli.run(['create', list, first, '--push', '--expect', 'linux/amd64,linux/arm64']);
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect(result.stderr).toContain('lacks linux/arm64');
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    await cli.must('add', list, second, '--push', '--expect', 'linux/amd64,linux/arm64', '-t', ':v2');
    expect(await getManifest(registry.url, repository, 'v2')).toBeDefined();
  });

  test('pushes to all tags of the build metadata', async () => {
    const tags = ['v1', '1', 'latest'].map((tag) => `${registry.host}/${repository}:${tag}`);
    const env = { DOCKER_METADATA_OUTPUT_JSON: JSON.stringify({ tags, annotations: [], labels: {} }) };
    const result = await cli.run(['create', list, ...images, '--docker-metadata', 'env', '--push'], { env });
    expect(result.code).toBe(0);
    for (const tag of ['v1', '1', 'latest'])
      expect((await getManifest(registry.url, repository, tag))?.digest).toBe(result.stdout.trim());
  });

  test('leaves no draft if an image is missing', async () => {
    const result = await cli.run(['create', list, ...images, `${registry.host}/team/none:v1`, '--push']);
    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(await cli.must('ls')).toBe('');
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
  });

  test.each(['--dry-run', '--allow-duplicates', '--expect=linux/amd64', '--tag=:v2'])(
    'says that %s needs it',
    async (option) => {
      const result = await cli.run(['create', list, ...images, option]);
      expect(result.code).toBe(2);
      expect(result.stderr).toContain('needs --push');
      expect(await cli.must('ls')).toBe('');
    },
  );

  describe('--no-draft', () => {
    const noDraft = ['--push', '--no-draft'];

    test('pushes the same list as a draft, and writes nothing to the workspace', async () => {
      const digest = await cli.must('create', list, ...images, ...noDraft, '-t', ':latest');
      for (const tag of ['v1', 'latest'])
        expect((await getManifest(registry.url, repository, tag))?.digest).toBe(digest);
      expect([await cli.must('ls'), await filesOf(cli.workspace)]).toEqual(['', []]);
      expect(await cli.must('create', list, ...images, '--push')).toBe(digest);
      const { code, stdout } = await cli.run(['create', list, ...images, ...noDraft, '--json']);
      expectFits('create', stdout);
      expect([code, JSON.parse(stdout)]).toMatchObject([0, { ref: list, entries: [{}, {}], pushed: { digest } }]);
    });

    test('neither uses nor changes a draft of that name, nor the current draft', async () => {
      await cli.must('create', list, images[0] ?? '', '--index-annotation', 'draft=only');
      await cli.must('create', 'other/app:1', images[0] ?? '');
      const before = await filesOf(cli.workspace);
      const digest = await cli.must('create', list, ...images, ...noDraft);
      expect(await filesOf(cli.workspace)).toEqual(before);
      const { manifests, annotations } = JSON.parse(await cli.must('inspect', `docker://${list}`)) as Index;
      expect([manifests.length, annotations]).toEqual([2, undefined]);
      await writeFile(join(cli.workspace, 'drafts', before[0] ?? ''), 'damaged');
      expect(await cli.must('create', list, ...images, ...noDraft)).toBe(digest);
    });

    test('works in a workspace that cannot be written', async () => {
      await mkdir(dirname(cli.workspace), { recursive: true });
      await writeFile(cli.workspace, 'a file in the place of the workspace');
      expect(await cli.run(['create', list, ...images, '--push'])).toMatchObject({ code: 1 });
      const { code, stdout, stderr } = await cli.run(['create', list, ...images, ...noDraft]);
      expect([code, stdout, stderr]).toEqual([
        0,
        `${(await getManifest(registry.url, repository, 'v1'))?.digest}\n`,
        expect.not.stringContaining('warning'),
      ]);
    });

    test('suggests --replace-image if the tag has a single image for another platform', async () => {
      const s390x = makeImage({ salt: 's390x', platform: { architecture: 's390x', os: 'linux' } });
      await pushImage(registry.url, repository, 'v1', s390x);
      const { code, stderr } = await cli.run(['create', list, ...images, ...noDraft]);
      expect([code, stderr]).toEqual([
        5,
        expect.stringMatching(/is a single image for linux\/s390x.*\nhint: .*--replace-image/),
      ]);
    });

    test('plans with --dry-run', async () => {
      const { code, stdout } = await cli.run(['create', list, ...images, ...noDraft, '--dry-run']);
      expect(code).toBe(0);
      expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
      expect(await cli.must('create', list, ...images, ...noDraft)).toBe(stdout.trim());
    });

    test.each<[string, readonly string[], string]>([
      ['without --push', ['--no-draft'], '--no-draft needs --push'],
      ['with --amend', [...noDraft, '--amend'], '--amend changes a draft'],
      ['with --replace', [...noDraft, '--replace'], '--replace changes a draft'],
    ])('is refused %s', async (_name, args, message) => {
      const { code, stderr } = await cli.run(['create', list, ...images, ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
      expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    });
  });
});

interface Index {
  readonly manifests: readonly object[];
  readonly annotations?: object;
}

/** The names of the drafts, and of the state file, of a workspace. */
async function filesOf(workspace: string): Promise<readonly string[]> {
  const namesIn = (folder: string) => readdir(folder).catch((): string[] => []);
  const state = (await namesIn(workspace)).filter((name) => name === 'state.json');
  return [...(await namesIn(join(workspace, 'drafts'))), ...state];
}

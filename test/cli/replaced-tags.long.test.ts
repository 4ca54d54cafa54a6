import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { describeOnFirstRegistry, type Registry } from '../support/registries.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/** The content of a tag before it is moved: losses are refused or reported, and the old digest is printed. */

const image = (architecture: string, more: object = {}) =>
  makeImage({ salt: architecture, kind: 'oci', platform: { architecture, os: 'linux', ...more } });
const amd64 = image('amd64');
const arm64 = image('arm64');
const riscv64 = image('riscv64');

describeOnFirstRegistry('a tag that is moved', (start) => {
  let registry: Registry;
  let cli: CliHarness;
  let repository: string;
  let rounds = 0;
  beforeAll(async () => {
    registry = await start();
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    cli = await CliHarness.make();
    rounds += 1;
    repository = `moved/r${rounds}`;
    await Promise.all(
      Object.entries({ amd64, arm64, riscv64 }).map(([tag, one]) => pushImage(registry.url, repository, tag, one)),
    );
  });

  const at = (tag: string) => `${registry.host}/${repository}:${tag}`;
  const digestAt = async (tag: string) => (await getManifest(registry.url, repository, tag))?.digest;
  const listOf = async (tag: string, ...images: readonly string[]) => {
    await cli.must('create', at(tag), ...images.map(at), '--push');
    return digestAt(tag);
  };

  test('create -t LIST IMAGE IMAGE, as with imagetools and crane: the hint shows the right command', async () => {
    const { code, stderr } = await cli.run(['create', '-t', at('1'), at('amd64'), at('arm64')]);
    expect(code).toBe(2);
    expect(stderr).toBe(
      `mlist: --tag needs --push\n` +
        `hint: The list comes before its images: "mlist create ${at('1')} ${at('amd64')} ${at('arm64')} --push".\n`,
    );
  });

  test('create -t LIST IMAGE IMAGE --push: the first image keeps its tag', async () => {
    const { code, stderr } = await cli.run(['create', '-t', at('1'), at('amd64'), at('arm64'), '--push']);
    expect(code).toBe(5);
    expect(stderr).toContain(
      `cannot replace ${at('amd64')}: it is a single image for linux/amd64 (${amd64.digest.slice(0, 19)}), and the new list has no image for that platform`,
    );
    expect(stderr).toContain(`"mlist create ${at('1')} ${at('amd64')} ${at('arm64')} --push"`);
    expect(await digestAt('amd64')).toBe(amd64.digest);
  });

  test('create -t LIST INDEX INDEX --push, as builders push them: the first index keeps its tag', async () => {
    const first = await listOf('first', 'amd64');
    await listOf('second', 'arm64');
    await cli.must('rm', at('first'));
    const args = ['create', '-t', at('1'), at('first'), at('second'), '--push'];
    const { code, stderr } = await cli.run(args);
    expect(code).toBe(5);
    expect(stderr).toContain(`cannot replace ${at('first')}: it is a list with a single image for linux/amd64`);
    expect(stderr).toContain(`"mlist create ${at('1')} ${at('first')} ${at('second')} --push"`);
    expect([await digestAt('first'), await digestAt('1')]).toEqual([first, undefined]);
    await cli.must(...args, '--replace', '--replace-image');
    expect(await digestAt('first')).not.toBe(first);
  });

  test('a list of a single image may change the platform of that image', async () => {
    await listOf('one', 'amd64');
    await cli.must('annotate', `docker://${at('one')}`, '--platform', 'linux/amd64', '--arch', 'riscv64', '--push');
  });

  test('join --expect: a list of a single image is not replaced by a list without its platform', async () => {
    const before = await listOf('one', 'amd64');
    const args = ['join', at('one'), at('arm64'), '--expect', 'linux/arm64', '--group', '1'];
    expect(await cli.run(args)).toMatchObject({ code: 5 });
    expect(await digestAt('one')).toBe(before);
    await cli.must(...args, '--replace-image');
  });

  test.each(['app@DIGEST app@DIGEST', 'DIGEST DIGEST'])('create -t LIST %s: shows the right command', async (given) => {
    const images = given
      .replace(/app@/g, `${at('x').slice(0, -2)}@`)
      .replaceAll('DIGEST', amd64.digest)
      .split(' ');
    const { code, stderr } = await cli.run(['create', '-t', at('1'), ...images, '--push']);
    expect(code).toBe(2);
    expect(stderr).toContain(
      `hint: The list comes before its images: "mlist create ${at('1')} ${images.join(' ')} --push".`,
    );
  });

  const refused: readonly (readonly [name: string, args: () => readonly string[], ...before: string[][]])[] = [
    ['push', () => ['push', at('draft'), '--to', at('amd64')], ['create', 'draft', 'arm64', 'riscv64']],
    ['push -t', () => ['push', at('draft'), '-t', ':amd64'], ['create', 'draft', 'arm64', 'riscv64']],
    ['copy', () => ['copy', at('list'), at('amd64')], ['create', '--push', 'list', 'arm64', 'riscv64']],
    [
      'add --push',
      () => ['add', at('list'), at('arm64'), '--push', '-t', ':amd64'],
      ['create', '--push', 'list', 'riscv64'],
    ],
  ];
  for (const [name, args, ...before] of refused)
    test(`${name}: a single image is not replaced by a list without its platform`, async () => {
      const named = (text: string) => (/^(?:create|--push)$/.test(text) ? text : at(text));
      for (const command of before) await cli.must(...command.map(named));
      const result = await cli.run(args());
      expect(result).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('it is a single image for linux/amd64') as unknown,
      });
      expect(await digestAt('amd64')).toBe(amd64.digest);
      const replaced = await cli.run([...args(), '--replace-image']);
      expect(replaced).toMatchObject({
        code: 0,
        stderr: expect.stringContaining(`(was ${amd64.digest})`) as unknown,
      });
      expect(await digestAt('amd64')).toBe(replaced.stdout.trim());
    });

  test('apply: a single image is not replaced by a list without its platform, copied or created', async () => {
    await listOf('list', 'arm64', 'riscv64');
    const specs = { made: `manifests: ["${at('arm64')}"]`, copied: `copy: "${at('list')}"` };
    for (const [tag, content] of Object.entries(specs)) {
      await pushImage(registry.url, repository, tag, amd64);
      const stdin = `list: "${at(tag)}"\n${content}\n`;
      for (const dryRun of [['--dry-run'], []]) {
        const result = await cli.run(['apply', '-f', '-', ...dryRun], { stdin });
        expect(result).toMatchObject({ code: 5, stderr: expect.stringContaining('is a single image') as unknown });
      }
      expect(await digestAt(tag)).toBe(amd64.digest);
      const result = await cli.run(['apply', '-f', '-', '--replace-image'], { stdin });
      expect(result).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(` (was ${amd64.digest})\n`) as unknown,
      });
    }
  });

  test('join --expect: a single image is not replaced by a list without its platform', async () => {
    const args = ['join', at('amd64'), at('arm64'), '--expect', 'linux/arm64', '--group', '1'];
    const refused = await cli.run(args);
    expect(refused).toMatchObject({ code: 5, stderr: expect.stringContaining('is a single image') as unknown });
    expect(await digestAt('amd64')).toBe(amd64.digest);
    const result = await cli.run([...args, '--replace-image']);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining(` (was ${amd64.digest})\n`) as unknown });
    expect(await digestAt('amd64')).toBe(result.stdout.trim());
  });

  test('join --expect: a list that loses a platform is written, and the platform is reported', async () => {
    const before = await listOf('list', 'amd64', 'riscv64');
    const args = ['join', at('list'), at('amd64'), '--expect', 'linux/amd64', '--group', '1'];
    const { code, stderr } = await cli.run(args);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`loses platforms that ${before} has: linux/riscv64`)]);
  });

  test('a dry run refuses what the push would refuse', async () => {
    await cli.must('create', at('draft'), at('arm64'));
    const result = await cli.run(['push', '--to', at('amd64'), '--dry-run']);
    expect(result).toMatchObject({ code: 5, stdout: '' });
  });

  test('a list with another image for its platform replaces a single image', async () => {
    await pushImage(registry.url, repository, 'app', image('amd64', { variant: 'v1' }));
    const before = await digestAt('app');
    const { code, stderr } = await cli.run(['create', at('app'), at('amd64'), at('arm64'), '--push']);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`(was ${before})`)]);
  });

  test('a manifest without a platform is not replaced by a list', async () => {
    const artifact = makeImage({ kind: 'oci', salt: 'chart', manifest: { artifactType: 'application/vnd.example' } });
    const document = JSON.parse(artifact.bytes.toString()) as { config: object };
    const config = { ...document.config, mediaType: 'application/vnd.example.config+json' };
    const bytes = Buffer.from(JSON.stringify({ ...document, config }));
    await pushImage(registry.url, repository, undefined, artifact);
    await putManifest(registry.url, repository, 'chart', artifact.mediaType, bytes);
    const result = await cli.run(['create', at('chart'), at('amd64'), '--push']);
    expect(result).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('a single manifest without a platform') as unknown,
    });
  });

  test('a list that loses a platform is pushed, and the platform is reported', async () => {
    const before = await listOf('list', 'amd64', 'arm64', 'riscv64');
    await cli.must('create', '--replace', at('list'), at('amd64'));
    const dryRun = await cli.run(['push', '--dry-run']);
    expect(dryRun.stderr).toContain(`list loses platforms that ${before} has: linux/arm64, linux/riscv64\n`);
    expect(dryRun.stderr).toContain(` (was ${before})\n`);
    const document = JSON.parse((await cli.run(['push', '--dry-run', '--json'])).stdout) as object;
    const target = { status: 'planned', before, lost: ['linux/arm64', 'linux/riscv64'] };
    expect(document).toMatchObject({ targets: [target] });
    const { code, stderr } = await cli.run(['push']);
    expect(code).toBe(0);
    expect(stderr).toContain(`warning: ${at('list')} loses platforms that ${before} has: linux/arm64, linux/riscv64\n`);
  });

  test('--expect kept refuses to lose a platform, before the tag moves', async () => {
    const before = await listOf('list', 'amd64', 'arm64');
    await cli.must('create', at('other'), at('amd64'), at('riscv64'), '--push');
    await cli.must('create', '--replace', at('list'), at('amd64'));
    const spec = `list: "${at('list')}"\nmanifests: ["${at('amd64')}"]\n`;
    const commands: readonly (readonly string[])[] = [
      ['push', at('list'), '--expect', 'kept'],
      ['push', at('list'), '--expect', 'linux/amd64,kept', '--dry-run'],
      ['copy', at('other'), at('list'), '--expect', 'kept'],
      ['apply', '-f', '-', '--expect', 'kept'],
    ];
    for (const command of commands) {
      const result = await cli.run(command, { stdin: spec });
      expect([command[0], result.code, result.stderr]).toEqual([
        command[0],
        3,
        expect.stringContaining(
          `${at('list')} would lose linux/arm64, which its current list (${before?.slice(0, 19)}) contains`,
        ),
      ]);
      expect(await digestAt('list')).toBe(before);
    }
  });

  test('copy --expect P,P refuses content without the platform', async () => {
    await listOf('list', 'amd64', 'arm64');
    const result = await cli.run(['copy', at('list'), at('copied'), '--expect', 'linux/amd64,linux/riscv64']);
    expect(result).toMatchObject({ code: 3, stderr: expect.stringContaining('lacks linux/riscv64') as unknown });
    expect(await digestAt('copied')).toBeUndefined();
    expect(await cli.run(['copy', at('list'), at('copied'), '--expect', 'arm64'])).toMatchObject({ code: 0 });
  });

  test('patches of one Windows release are one platform; another release is lost', async () => {
    const windows = (version: string) => image('amd64', { os: 'windows', 'os.version': version });
    const tags = { old: '10.0.20348.1', patched: '10.0.20348.2', newer: '10.0.26100.1' };
    for (const [tag, version] of Object.entries(tags)) await pushImage(registry.url, repository, tag, windows(version));
    await listOf('list', 'old');
    expect(
      await cli.run(['create', '--replace', at('list'), at('patched'), '--push', '--expect', 'kept']),
    ).toMatchObject({
      code: 0,
    });
    const result = await cli.run(['create', '--replace', at('list'), at('newer'), '--push', '--expect', 'kept']);
    expect(result).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('windows(10.0.20348.2)/amd64') as unknown,
    });
  });

  test('events and documents of --json name what each tag had', async () => {
    const before = await listOf('list', 'amd64');
    const result = await cli.run(['copy', at('arm64'), at('list'), '--json']);
    expect(JSON.parse(result.stdout)).toMatchObject({ status: 'copied', before, lost: ['linux/amd64'] });
    const events = result.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.find(({ type }) => type === 'tagged')).toEqual({
      type: 'tagged',
      ref: at('list'),
      digest: arm64.digest,
      before,
      lost: ['linux/amd64'],
    });
    const fresh = await cli.run(['copy', at('arm64'), at('fresh'), '--json']);
    expect(JSON.parse(fresh.stdout)).toMatchObject({ before: 'absent' });
  });

  describe('with content that cannot be read', () => {
    const behind = async (pattern: RegExp, status: number) => {
      const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
      proxy.on(pattern, answer(status, {}, JSON.stringify({ errors: [{ code: 'DENIED', message: 'push only' }] })));
      return { proxy, through: (tag: string) => at(tag).replace(registry.host, proxy.host) };
    };
    const notes = ({ stderr }: CliResult) => stderr.split('\n').filter((line) => line.includes('could not be checked'));

    for (const status of [401, 403, 405, 500])
      test(`HTTP ${status}: push continues, with one note for both tags`, async () => {
        await listOf('v1', 'riscv64');
        const { through } = await behind(/^(?:HEAD|GET) .*\/manifests\/v\d$/, status);
        const args = ['create', through('v1'), at('amd64'), '--push', '-t', ':v2', '--retries', '0'];
        const result = await cli.run(args);
        expect([result.code, notes(result)]).toEqual([0, [expect.stringContaining(`HTTP ${status}`)]]);
        expect(await digestAt('v1')).toBe(result.stdout.trim());
        expect(await digestAt('v2')).toBe(result.stdout.trim());
        const refused = await cli.run([...args, '--amend', '--expect', 'kept']);
        expect([refused.code, refused.stderr]).toEqual([
          status < 404 ? 6 : 7,
          expect.stringContaining(`HTTP ${status}`),
        ]);
      });

    test('copy continues too', async () => {
      await listOf('list', 'amd64');
      const { through } = await behind(/^(?:HEAD|GET) .*\/manifests\/v1$/, 403);
      const result = await cli.run(['copy', at('list'), through('v1')]);
      expect([result.code, notes(result)]).toEqual([0, [expect.stringContaining('HTTP 403')]]);
    });

    test('with invalid content: push continues, with a note', async () => {
      const otherList = makeIndex([entryOf(amd64, { architecture: 'amd64', os: 'linux' })]);
      await putManifest(registry.url, repository, 'odd', otherList.mediaType, otherList.bytes);
      const { proxy, through } = await behind(/^$/, 500);
      proxy.on(/^GET .*\/manifests\/sha256:/, ({ pass }) => pass({ body: (chunk) => Buffer.alloc(chunk.length, 'x') }));
      const result = await cli.run(['create', through('odd'), at('arm64'), '--push']);
      expect([result.code, notes(result)]).toEqual([0, [expect.stringContaining('sha256')]]);
    });
  });
});

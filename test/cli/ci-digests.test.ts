import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { at, images, serveCreateImages, type Drafted } from '../support/create-fixture.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Digests that CI jobs pass on: in files, as JSON, and as arguments. */
serveCreateImages();

let cli: CliHarness;
beforeEach(async () => {
  cli = await CliHarness.make();
});

const digestsOf = ({ entries }: Drafted) => entries.map(({ digest }) => digest);
const amd64 = () => images.amd64.digest;
const arm64 = () => images.arm64.digest;
const nowhere = { HTTPS_PROXY: 'http://127.0.0.1:9' };

async function folder(files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(cli.folder, 'digests'));
  await Promise.all(
    Object.entries(files).map(([name, content]) => writeFile(join(cli.folder, 'digests', name), content)),
  );
}

describe('--digests-dir', () => {
  test('accepts files that contain a digest, or a reference with a digest', async () => {
    await folder({
      'digest-amd64': `${amd64()}\n`,
      'digest-arm64.txt': ` ${at('team/app')}@${arm64()}\r\n`,
      [images.arm.digest.slice(7)]: 'whatever',
    });
    const created = await cli.json<Drafted>('create', at('team/app:l'), '--digests-dir', 'digests');
    expect(digestsOf(created)).toEqual([amd64(), arm64(), images.arm.digest].sort());
  });

  test.each<[string, () => string]>([
    ['nothing', () => ''],
    ['two digests', () => `${amd64()}\n${arm64()}\n`],
    ['a reference without a digest', () => 'team/app:1'],
    ['the beginning of a digest', () => amd64().slice(0, 20)],
    ['too large a file', () => amd64() + ' '.repeat(5000)],
  ])('refuses a file that contains %s', async (_name, content) => {
    await folder({ 'digest-amd64': content(), 'digest-arm64': arm64() });
    const result = await cli.run(['create', at('team/app:l'), '--digests-dir', 'digests']);
    expect(result).toMatchObject({ code: 3, stderr: expect.stringMatching(/digest: digest-amd64\n/) as unknown });
  });

  test.each(['linux/amd64,linux/arm64,linux/arm/v7', 'linux/arm/v7,linux/arm64,linux/amd64', 'linux/arm64'])(
    'lists the images in the order of --expect %s',
    async (expected) => {
      const all = [images.amd64, images.arm64, images.arm].map(({ digest }) => digest);
      await folder(Object.fromEntries(all.map((digest) => [digest.slice(7), ''])));
      const flags = ['--push', '--dry-run', '--expect', expected];
      const created = await cli.json<Drafted>('create', at('team/app:l'), '--digests-dir', 'digests', ...flags);
      const names = ['linux/amd64', 'linux/arm64', 'linux/arm/v7'];
      const expectedDigests = expected.split(',').map((name) => all[names.indexOf(name)] ?? '');
      const others = all.filter((digest) => !expectedDigests.includes(digest)).sort();
      expect(digestsOf(created)).toEqual([...expectedDigests, ...others]);
    },
  );

  test('--expect does not reorder other sources', async () => {
    await folder({ [arm64().slice(7)]: '', [images.arm.digest.slice(7)]: '' });
    const sources = [at('team/app:amd64'), '--digests-dir', 'digests'];
    const flags = ['--push', '--dry-run', '--expect', 'linux/arm/v7,linux/arm64,linux/amd64'];
    const created = await cli.json<Drafted>('create', at('team/app:l'), ...sources, ...flags);
    expect(digestsOf(created)).toEqual([amd64(), images.arm.digest, arm64()]);
  });
});

describe('JSON with digests', () => {
  const create = (value: unknown, ...more: readonly string[]) =>
    cli.run(['create', at('team/app:l'), '-f', '-', ...more], { stdin: JSON.stringify(value) });

  test.each<[string, () => unknown]>([
    ['an array', () => [amd64(), arm64()]],
    ['the outputs of a job', () => ({ version: '1.0', 'digest-amd64': amd64(), 'digest-arm64': arm64(), count: 2 })],
    [
      'the jobs of toJSON(needs)',
      () => ({
        meta: { result: 'success', outputs: { tags: 'team/app:1', json: JSON.stringify({ digest: amd64() }) } },
        amd64: { result: 'success', outputs: { digest: amd64() } },
        arm64: { result: 'success', outputs: { image: at(`team/app:arm64@${arm64()}`), other: null } },
      }),
    ],
    [
      'metadata of builds among the outputs',
      () => ({
        a: { metadata: { 'containerimage.digest': amd64(), 'containerimage.config.digest': arm64() } },
        b: arm64(),
      }),
    ],
  ])('%s: every digest becomes a source, and is reported', async (_name, value) => {
    const { code, stderr } = await create(value());
    expect(code).toBe(0);
    expect([...stderr.matchAll(/^added \S+@?(sha256:[0-9a-f]{64})?/gm)]).toHaveLength(2);
    const { manifests } = JSON.parse(await cli.must('inspect')) as { manifests: { digest: string }[] };
    expect(manifests.map(({ digest }) => digest)).toEqual([amd64(), arm64()]);
  });

  test('accepts a single JSON string, and another repository', async () => {
    expect((await create(amd64(), '--repo', at('team/app'))).stderr).toContain(`added ${at('team/app')}@${amd64()}`);
  });

  test.each<[string, () => unknown]>([
    ['null', () => null],
    ['a boolean', () => true],
    ['a whole number', () => 5],
    ['a number', () => -1.5e-7],
    ['no digest', () => ({ version: '1.0', tags: ['team/app:1'], prefix: amd64().slice(0, 30) })],
    ['the manifest of an image', () => JSON.parse(images.amd64.bytes.toString()) as unknown],
    ['the digest of a config', () => ({ build: { 'containerimage.config.digest': amd64() } })],
  ])('%s: exit code 3', async (_name, value) => {
    expect(await create(value())).toMatchObject({
      code: 3,
      stderr: 'mlist: stdin cannot be used: it contains no descriptor, index, build metadata or digest\n',
    });
  });

  test('a line that names an image of Docker Hub is not a digest', async () => {
    const result = await cli.run(['create', at('team/app:l'), '-f', '-', '--retries', '0'], {
      stdin: 'alpine:edge\n',
      env: nowhere,
    });
    expect(result.stderr).toContain('docker.io/library/alpine:edge');
  });
});

describe('a digest without a repository', () => {
  test('create looks it up in the repository of the list, with a platform too', async () => {
    const created = await cli.json<Drafted>('create', at('team/app:l'), amd64(), `${arm64()}=linux/arm64/v9`);
    expect(created.entries.map(({ source }) => source)).toEqual([amd64(), arm64()].map((one) => at(`team/app@${one}`)));
    expect(created.entries[1]?.platform).toMatchObject({ variant: 'v9' });
  });

  test('create looks it up in --repo', async () => {
    const created = await cli.json<Drafted>('create', at('elsewhere:l'), amd64(), '--repo', at('team/app'));
    expect(created.entries[0]?.source).toBe(at(`team/app@${amd64()}`));
    expect(await cli.run(['create', at('elsewhere:m'), amd64()])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining(`A digest without a repository is looked up in ${at('elsewhere')}.`) as unknown,
    });
  });

  test('add looks it up for the current draft, another draft, and a list in the registry', async () => {
    await cli.must('create', at('team/app:l'), at('team/app:amd64'), '--push');
    await cli.must('add', arm64());
    await cli.must('create', at('team/app:other'), at('team/app:amd64'));
    await cli.must('add', at('team/app:l'), images.arm.digest);
    expect(await cli.must('inspect', at('team/app:l'))).toContain(images.arm.digest);
    await cli.must('add', `docker://${at('team/app:l')}`, arm64(), '--push');
    expect(await cli.must('inspect', `docker://${at('team/app:l')}`)).toContain(arm64());
  });

  test('join and apply accept it', async () => {
    await cli.must('join', at('team/app:joined'), amd64());
    expect(await cli.must('inspect', at('team/app:joined'))).toContain(amd64());
    const spec = `list: ${at('team/app:applied')}\nmanifests: ['${amd64()}', {image: '${arm64()}'}]\n`;
    const copied = `---\nlist: ${at('team/app:same')}\ncopy: '${arm64()}'\n`;
    expect((await cli.run(['apply', '-f', '-'], { stdin: spec + copied })).code).toBe(0);
    expect(await cli.must('inspect', at('team/app:applied'))).toContain(arm64());
    expect(await cli.must('digest', at('team/app:same'))).toBe(arm64());
  });

  test.each<[string, (digest: string) => readonly string[]]>([
    ['show', (digest) => ['show', digest]],
    ['show, the beginning of one', (digest) => ['show', digest.slice(0, 19)]],
    ['show docker://', (digest) => ['show', `docker://${digest}`]],
    ['digest', (digest) => ['digest', digest]],
    ['exists', (digest) => ['exists', digest]],
    ['resolve', (digest) => ['resolve', digest]],
    ['copy from it', (digest) => ['copy', digest, at('x:1')]],
    ['copy to it', (digest) => ['copy', at('team/app:amd64'), digest]],
    ['create, the beginning of one', (digest) => ['create', at('x:1'), digest.slice(0, 19)]],
    ['create, as the list', (digest) => ['create', digest, at('team/app:amd64')]],
    ['push --to', (digest) => ['push', at('x:1'), '--to', digest]],
    ['tags', (digest) => ['tags', digest]],
    ['delete', (digest) => ['delete', digest]],
    ['diff', (digest) => ['diff', at('team/app:amd64'), digest]],
    ['validate', (digest) => ['validate', digest]],
  ])('is refused without a list, before any request: %s', async (_name, args) => {
    await cli.must('create', at('x:1'), at('team/app:amd64'));
    const result = await cli.run([...args(amd64()), '--retries', '0'], { env: nowhere });
    expect(result).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is a digest without a repository') as unknown,
    });
    expect(result.stderr).toContain('hint: Write the repository and the whole digest: REPO@sha256:...');
  });

  test('remove and annotate report that no entry has it', async () => {
    await cli.must('create', at('team/app:l'), at('team/app:amd64'));
    for (const args of [
      ['remove', arm64()],
      ['annotate', at('team/app:l'), arm64(), '--os', 'linux'],
    ]) {
      expect(await cli.run(args)).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('has no entry') as unknown,
      });
    }
  });
});

import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import { describeOnRegistries, type Registry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Edits of lists in a registry in one command: `annotate`, `add` and `remove` with `--push`. */

const image = (architecture: string, salt = ''): Image =>
  makeImage({ kind: 'oci', salt: architecture + salt, platform: { architecture, os: 'linux' } });
const amd64 = image('amd64');
const arm64 = image('arm64');
const riscv64 = image('riscv64');
const subject = image('amd64', 'subject');

/** A list with unknown members at every level, and with numbers that JavaScript cannot represent. */
function oddList(): { readonly mediaType: string; readonly bytes: Buffer; readonly digest: string } {
  const nested = makeIndex([entryOf(riscv64, { architecture: 'riscv64', os: 'linux' })]);
  const strange = { 'x.unknown': { deep: [1, { deeper: null }], 10: 'ten', 9: 'nine' }, 'x.flag': true };
  const describe = (one: Image, more: object) => ({ ...entryOf(one), ...more, ...strange });
  const platform = (architecture: string) => ({ architecture, os: 'linux', 'x.cpu': { level: 3 } });
  return makeIndex(
    [
      describe(amd64, {
        platform: { ...platform('amd64'), 'os.features': ['f'] },
        annotations: { b: '2', a: '<1>' },
        urls: ['https://x.example/m'],
      }),
      describe(arm64, { platform: platform('arm64'), artifactType: 'application/vnd.example' }),
      { mediaType: nested.mediaType, digest: nested.digest, size: nested.bytes.length, ...strange },
      describe(riscv64, { data: riscv64.bytes.toString('base64') }),
    ],
    {
      artifactType: 'application/vnd.example.list',
      subject: describe(subject, { annotations: { about: 'it' } }),
      annotations: { z: 'last', a: 'first' },
      ...strange,
    },
  );
}

async function pushOdd(url: string, repository: string, tag: string) {
  for (const one of [amd64, arm64, riscv64, subject]) await pushImage(url, repository, undefined, one);
  const nested = makeIndex([entryOf(riscv64, { architecture: 'riscv64', os: 'linux' })]);
  await putManifest(url, repository, nested.digest, nested.mediaType, nested.bytes);
  const list = oddList();
  await putManifest(url, repository, tag, list.mediaType, list.bytes);
  return list;
}

/** The differences between two JSON documents: the pointer of each, with its new value. */
function differences(before: unknown, after: unknown, pointer = ''): readonly (readonly [string, unknown])[] {
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null)
    return before === after ? [] : [[pointer, after]];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) =>
    differences(
      (before as Record<string, unknown>)[name],
      (after as Record<string, unknown>)[name],
      `${pointer}/${name}`,
    ),
  );
}

/** Other processes may use the same folder at the same time. */
async function leftBehind(): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith(`mlist-edit-${process.pid}-`));
}

describeOnRegistries('a list with unknown members at every level', (start) => {
  let registry: Registry;
  let cli: CliHarness;
  beforeAll(async () => {
    registry = await start();
    cli = await CliHarness.make();
  });
  afterAll(() => registry.close());

  async function documentAt(tag: string): Promise<unknown> {
    return JSON.parse(String((await getManifest(registry.url, 'team/odd', tag))?.bytes)) as unknown;
  }

  test('annotate changes only the given field of one entry', async () => {
    await pushOdd(registry.url, 'team/odd', 'v1');
    const before = await documentAt('v1');
    const list = `${registry.host}/team/odd:v1`;
    const digest = await cli.must('annotate', list, '--arch', 'arm64', '--variant', 'v8', '--push');
    const served = await getManifest(registry.url, 'team/odd', 'v1');
    expect(served?.digest).toBe(digest);
    expect(differences(before, JSON.parse(String(served?.bytes)))).toEqual([['/manifests/1/platform/variant', 'v8']]);
    expect(await cli.must('ls')).toBe('');
  });

  test('an edit without a change keeps the bytes of the list', async () => {
    const list = await pushOdd(registry.url, 'team/odd', 'v2');
    const name = `${registry.host}/team/odd:v2`;
    expect(await cli.must('annotate', name, '--arch', 'arm64', '--os', 'linux', '--push')).toBe(list.digest);
    expect((await getManifest(registry.url, 'team/odd', 'v2'))?.bytes).toEqual(list.bytes);
  });

  test('remove removes one entry, and add adds it again for its platform', async () => {
    await pushOdd(registry.url, 'team/odd', 'v3');
    const [before, name] = [await documentAt('v3'), `${registry.host}/team/odd:v3`];
    await cli.must('remove', name, '--platform', 'linux/amd64', '--push');
    const [, ...rest] = (before as { manifests: unknown[] }).manifests;
    expect(await documentAt('v3')).toEqual({ ...(before as object), manifests: rest });
    const other = image('arm64', 'new');
    await pushImage(registry.url, 'team/odd', 'arm64-new', other);
    await cli.must('add', name, `${registry.host}/team/odd:arm64-new`, '--push');
    const { manifests } = (await documentAt('v3')) as { manifests: { digest: string }[] };
    expect(manifests.map(({ digest }) => digest)).toEqual([
      other.digest,
      ...rest.slice(1).map((entry) => (entry as { digest: string }).digest),
    ]);
  });
});

describe('an edit with --push', () => {
  let registry: RunningRegistry;
  let cli: CliHarness;
  let list: string;
  let count = 0;
  const requests: string[] = [];
  const tag = () => list.slice(list.lastIndexOf(':') + 1);
  const served = () => getManifest(registry.url, 'team/app', tag());

  beforeAll(async () => {
    registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
    for (const one of [amd64, arm64, riscv64]) await pushImage(registry.url, 'team/app', undefined, one);
    await pushImage(registry.url, 'team/app', 'riscv64', riscv64);
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    cli = await CliHarness.make();
    list = `${registry.host}/team/app:l${(count += 1)}`;
    const index = makeIndex([
      entryOf(amd64, { architecture: 'amd64', os: 'linux' }),
      entryOf(arm64, { architecture: 'arm64', os: 'linux' }),
    ]);
    await putManifest(registry.url, 'team/app', tag(), index.mediaType, index.bytes);
    requests.length = 0;
  });

  test('annotate sends three requests: two reads and a put', async () => {
    await cli.must('annotate', list, '--arch', 'arm64', '--variant', 'v8', '--push');
    expect(requests.map((line) => line.slice(0, line.indexOf(' ')))).toEqual(['GET', 'HEAD', 'PUT']);
    expect(await leftBehind()).toEqual([]);
  });

  test('add to a list of 40 entries sends at most five requests', async () => {
    const many = Array.from({ length: 40 }, (_, at) => image(`cpu${at}`));
    for (const one of many) await pushImage(registry.url, 'team/app', undefined, one);
    const index = makeIndex(many.map((one, at) => entryOf(one, { architecture: `cpu${at}`, os: 'linux' })));
    await putManifest(registry.url, 'team/app', tag(), index.mediaType, index.bytes);
    requests.length = 0;
    await cli.must('add', list, `${registry.host}/team/app:riscv64`, '--push');
    expect(requests.length).toBeLessThanOrEqual(5);
    expect(JSON.parse(String((await served())?.bytes))).toMatchObject({ manifests: { length: 41 } });
  });

  test('the output reports the source of the list, and matches the schema', async () => {
    const result = await cli.json<{ changed: boolean; pushed: { digest: string; targets: object[] } }>(
      'annotate',
      list,
      '--arch',
      'amd64',
      '--annotation',
      'a=b',
      '--push',
    );
    expect(result).toMatchObject({
      changed: true,
      pushed: { digest: (await served())?.digest, targets: [{ ref: list, status: 'pushed' }] },
    });
    const { stderr } = await cli.run(['annotate', list, '--arch', 'amd64', '--annotation', 'a=c', '--push']);
    expect(stderr).toContain(`from registry ${list}`);
  });

  test('edits and keeps a draft of the same name; docker:// selects the registry anyway', async () => {
    await cli.must('create', list, `${registry.host}/team/app@${riscv64.digest}`);
    const before = await served();
    await cli.must('annotate', `docker://${list}`, '--arch', 'arm64', '--variant', 'v8', '--push');
    expect((await served())?.digest).not.toBe(before?.digest);
    expect(JSON.parse(String((await served())?.bytes))).toMatchObject({ manifests: { length: 2 } });
    await cli.must('annotate', list, '--arch', 'riscv64', '--annotation', 'a=b', '--push');
    expect(JSON.parse(String((await served())?.bytes))).toMatchObject({ manifests: { length: 1 } });
    expect(await cli.must('ls')).toContain(list);
  });

  test('a dry run reports the changes, and neither the draft nor the tag changes', async () => {
    const before = await served();
    const { code, stdout, stderr } = await cli.run([
      'remove',
      list,
      '--platform',
      'linux/arm64',
      '--push',
      '--dry-run',
    ]);
    expect([code, (await served())?.digest]).toEqual([0, before?.digest]);
    expect(stderr).toContain(`tag      ${tag()} -> ${stdout.trim()}`);
    expect(stderr).toMatch(/^would remove .*linux\/arm64/m);
    expect(stderr).not.toMatch(/^removed /m);
    await cli.must('create', list, list);
    const draft = await cli.must('inspect', list);
    await cli.must('remove', list, '--platform', 'linux/arm64', '--push', '--dry-run');
    expect(await cli.must('inspect', list)).toBe(draft);
    const pushed = await cli.must('remove', list, '--platform', 'linux/arm64', '--push');
    expect(pushed).toBe(stdout.trim());
  });

  test('keeps a Docker list; a field that only an index can have makes it an index, with a note', async () => {
    const docker = ['amd64', 'arm64'].map((architecture) => makeImage({ platform: { architecture, os: 'linux' } }));
    for (const one of docker) await pushImage(registry.url, 'team/app', undefined, one);
    const type = 'application/vnd.docker.distribution.manifest.list.v2+json';
    const [first, second] = docker.map((one, at) =>
      entryOf(one, { architecture: at ? 'arm64' : 'amd64', os: 'linux' }),
    );
    const index = makeIndex([first!, second!], {}, type);
    await putManifest(registry.url, 'team/app', tag(), type, index.bytes);
    await cli.must('annotate', list, '--arch', 'arm64', '--variant', 'v8', '--push');
    expect((await served())?.mediaType).toBe(type);
    const { stderr } = await cli.run(['annotate', list, '--arch', 'amd64', '--annotation', 'a=b', '--push']);
    expect(stderr.split('an OCI image index')).toHaveLength(2);
    expect(stderr).toContain('becomes an OCI image index');
    expect((await served())?.mediaType).toBe('application/vnd.oci.image.index.v1+json');
  });

  test('reports no changes of an edit that is refused', async () => {
    const twin = image('amd64', 'twin');
    await pushImage(registry.url, 'team/app', 'twin', twin);
    const refused = async (...args: readonly string[]) => (await cli.run([...args, '--push'])).stderr;
    const ofAdd = await refused('add', list, `${registry.host}/team/app:twin`, '--keep');
    const ofAnnotate = await refused('annotate', list, '--platform', 'linux/arm64', '--arch', 'amd64');
    for (const stderr of [ofAdd, ofAnnotate]) {
      expect(stderr).toMatch(/^from registry .*\nmlist: the list .* is refused: two images for linux\/amd64/);
    }
    const result = await cli.run(['annotate', list, '--arch', 'arm64', '--variant', 'v8', '--push']);
    expect(result.stderr).toMatch(/^from registry .*\nannotated .*\n(?:.*\n)*pushed /);
  });

  test('removes the last image only with --allow-empty', async () => {
    await cli.must('remove', list, '--platform', 'linux/amd64', '--push');
    const last = ['remove', list, '--platform', 'linux/arm64', '--push'];
    expect(await cli.run(last)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/^(?!.*removed)[^]*--allow-empty.*mlist delete/) as unknown,
    });
    expect((await cli.run(last)).stderr).not.toContain('removed');
    await cli.must(...last, '--allow-empty');
    expect(JSON.parse(String((await served())?.bytes))).toMatchObject({ manifests: [] });
  });

  test('does not overwrite a tag that has moved during the edit', async () => {
    const other = makeIndex([entryOf(riscv64, { architecture: 'riscv64', os: 'linux' })]);
    const moving = await startRegistry({
      onRequest: ({ method, path }) => {
        if (method === 'GET' && path.endsWith('/manifests/v1'))
          void putManifest(moving.url, 'team/app', 'v1', other.mediaType, other.bytes);
      },
    });
    try {
      for (const one of [amd64, riscv64]) await pushImage(moving.url, 'team/app', undefined, one);
      const index = makeIndex([entryOf(amd64, { architecture: 'amd64', os: 'linux' })]);
      await putManifest(moving.url, 'team/app', 'v1', index.mediaType, index.bytes);
      const args = ['annotate', `${moving.host}/team/app:v1`, '--arch', 'amd64', '--annotation', 'a=b', '--push'];
      const { code, stderr } = await cli.run(args);
      expect([code, stderr]).toEqual([
        5,
        expect.stringMatching(/another client may have moved it\nhint: .*to edit the current list/),
      ]);
      expect(await leftBehind()).toEqual([]);
    } finally {
      await moving.close();
    }
  });

  test('suggests --replace-image if a further tag has a single image for another platform', async () => {
    await pushImage(registry.url, 'team/app', 'single', riscv64);
    const edit = ['annotate', list, '--arch', 'amd64', '--annotation', 'a=b', '--push', '--tag', ':single'];
    const { code, stderr } = await cli.run(edit);
    expect([code, stderr]).toEqual([
      5,
      expect.stringMatching(/is a single image for linux\/riscv64.*\nhint: .*--replace-image/),
    ]);
  });

  test('concurrent edits: the list has each reported change, and no refused one', async () => {
    for (let round = 0; round < 10; round += 1) {
      const edits = ['amd64', 'arm64'].map((arch) =>
        cli.run(['annotate', list, '--arch', arch, '--annotation', `round=${round}`, '--push']),
      );
      const codes = (await Promise.all(edits)).map(({ code }) => code);
      const { manifests } = JSON.parse(String((await served())?.bytes)) as {
        manifests: { annotations?: { round?: string } }[];
      };
      const isDone = manifests.map(({ annotations }) => annotations?.round === String(round));
      expect(codes.every((code) => code === 0 || code === 5)).toBe(true);
      expect(isDone).toEqual(codes.map((code) => code === 0));
      expect(codes).toContain(0);
    }
  });

  test.each<[string, () => readonly string[], number, RegExp]>([
    ['no such list', () => [`${registry.host}/team/app:none`, '--arch', 'amd64', '--annotation', 'a=b'], 4, /none/],
    ['a single image', () => [`${registry.host}/team/app:riscv64`, '--index-annotation', 'a=b'], 3, /a single image/],
    ['a layout', () => ['oci:app', '--arch', 'amd64', '--annotation', 'a=b'], 2, /is not in a registry/],
    ['no such entry', () => [list, '--arch', 's390x', '--annotation', 'a=b'], 4, /no entry/],
    ['several entries', () => [list, '--os', 'linux', '--annotation', 'a=b'], 2, /--annotation a=b --push/],
  ])('refuses %s, and writes nothing', async (_name, args, code, message) => {
    const result = await cli.run(['annotate', ...args(), '--push']);
    expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)]);
    expect(requests.filter((line) => line.startsWith('PUT'))).toEqual([]);
    expect(await readdir(join(cli.workspace, 'drafts')).catch(() => [])).toEqual([]);
    expect(await leftBehind()).toEqual([]);
  });

  test.each([
    ['annotate', ['--arch', 'amd64', '--annotation', 'a=b']],
    ['remove', ['--platform', 'linux/amd64']],
    ['add', ['x.io/a']],
  ])('%s of docker:// without --push: the hint is --push', async (command, args) => {
    const result = await cli.run([command, `docker://${list}`, ...args]);
    expect(result).toMatchObject({
      code: 4,
      stderr: expect.stringContaining(`hint: Add --push to edit docker://${list}`) as unknown,
    });
    expect(result.stderr).not.toContain('is used as the list');
  });

  test.each(['--dry-run', '--allow-duplicates'])('%s without --push means nothing', async (flag) => {
    expect(await cli.run(['annotate', list, '--arch', 'amd64', flag])).toMatchObject({ code: 2 });
  });
});

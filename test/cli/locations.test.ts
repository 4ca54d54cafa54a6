import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { formatPlatform, type Platform } from '../../src/oci/platform/platform.ts';
import { entryOf, getManifest, makeIndex, sha256 } from '../support/images.ts';
import { putDocument, putInLayout, putImage } from '../support/layouts.ts';
import { amd64, arm64, builds, registry, requests, serveLocalBuilds, sources } from '../support/local-builds.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { structureProblems, textOf } from '../support/markup.ts';

/** Images in layouts and archives as sources of all commands. */
serveLocalBuilds();

async function draftOf(folder: string): Promise<{ readonly entries: readonly { readonly source: string }[] }> {
  const drafts = join(folder, 'drafts');
  const [name] = await readdir(drafts);
  return JSON.parse(await readFile(join(drafts, name!), 'utf8')) as Awaited<ReturnType<typeof draftOf>>;
}

async function expectWhole(repository: string, tag: string): Promise<readonly string[]> {
  const served = await getManifest(registry.url, repository, tag);
  const { manifests } = JSON.parse(served!.bytes.toString()) as { manifests: { digest: string }[] };
  for (const { digest } of manifests) {
    const child = await getManifest(registry.url, repository, digest);
    const { config, layers } = JSON.parse(child!.bytes.toString()) as Record<'config', { digest: string }> & {
      layers: { digest: string }[];
    };
    for (const blob of [config, ...layers]) {
      const response = await fetch(`${registry.url}/v2/${repository}/blobs/${blob.digest}`);
      expect(sha256(Buffer.from(await response.arrayBuffer()))).toBe(blob.digest);
    }
  }
  return manifests.map(({ digest }) => digest);
}

test('pushes a list of local builds with all their content', async () => {
  const cli = await builds();
  const list = `${registry.host}/team/local:v1`;
  await cli.must('create', list, ...sources);
  const view = await cli.json<{ entries: { platform: Platform; digest: string; source: string }[] }>('show');
  expect(view.entries.map(({ platform }) => formatPlatform(platform))).toEqual([
    'linux/amd64',
    'linux/arm64/v8',
    'linux/riscv64',
  ]);
  const digest = await cli.must('push');
  expect((await getManifest(registry.url, 'team/local', 'v1'))?.digest).toBe(digest);
  const children = await expectWhole('team/local', 'v1');
  expect(children.slice(0, 2)).toEqual([amd64.digest, arm64.digest]);
  requests.length = 0;
  expect((await cli.run(['push'])).stderr).toMatch(/^unchanged /m);
  expect(requests).toHaveLength(1);
});

describe('paths', () => {
  test('of the default workspace are relative to its parent folder', async () => {
    const cli = await builds();
    await cli.must('create', 'x.io/a:v1', ...sources, `oci:${join(cli.folder, 'out/amd64')}`);
    const draft = await draftOf(cli.workspace);
    expect(draft.entries.map(({ source }) => source)).toEqual(
      [
        'oci:../../out/amd64',
        'oci-archive:../../out/arm64.tar:v1',
        'docker-archive:../../out/riscv64.tar:team/app:riscv64',
        `oci:${join(cli.folder, 'out/amd64')}`,
      ].slice(0, draft.entries.length),
    );
  });

  test('of a project are relative to the project, wherever commands run', async () => {
    const cli = await builds();
    const deep = join(cli.folder, 'src', 'deep');
    await mkdir(deep, { recursive: true });
    await cli.must('init');
    const inDeep = { cwd: deep };
    expect(
      (await cli.run(['create', 'x.io/a:v1', 'oci:../../out/amd64', `oci-archive:${cli.folder}/out/arm64.tar`], inDeep))
        .code,
    ).toBe(0);
    const draft = await draftOf(join(cli.folder, '.mlist'));
    expect(draft.entries.map(({ source }) => source)).toEqual(['oci:out/amd64', 'oci-archive:out/arm64.tar']);
    const here = await cli.run(['show']);
    expect(here.stdout).toMatch(/ oci:out\/amd64$/m);
    const shown = await cli.run(['show'], inDeep);
    expect(shown.stdout).toMatch(/ oci:\.\.\/\.\.\/out\/amd64$/m);
    const edited = await cli.run(['annotate', 'x.io/a:v1', 'oci:../../out/amd64', '--variant', 'v2'], inDeep);
    expect([edited.code, edited.stderr]).toEqual([0, expect.stringContaining('annotated oci:../../out/amd64')]);
    expect((await cli.run(['inspect', 'x.io/a:v1', 'oci:../../out/amd64'], inDeep)).stdout).toContain('"config"');
    expect((await cli.run(['create', '--amend'], inDeep)).code).toBe(0);
    expect((await cli.run(['remove', 'oci:../../out/amd64'], inDeep)).code).toBe(0);
    expect((await draftOf(join(cli.folder, '.mlist'))).entries).toHaveLength(1);
  });

  test('in a file of sources are relative to the current folder', async () => {
    const cli = await builds();
    await writeFile(join(cli.folder, 'sources'), sources.join('\n'));
    await cli.must('create', 'x.io/a:v1', '-f', 'sources');
    expect((await draftOf(cli.workspace)).entries).toHaveLength(3);
  });

  test('can be followed by a platform', async () => {
    const cli = await builds();
    await cli.must('create', 'x.io/a:v1', 'oci:out/amd64=linux/amd64/v3', 'oci-archive:./out/arm64.tar=linux/arm64');
    const { entries } = await cli.json<{ entries: { platform: object }[] }>('show');
    expect(entries.map(({ platform }) => platform)).toEqual([
      { architecture: 'amd64', os: 'linux', variant: 'v3' },
      { architecture: 'arm64', os: 'linux' },
    ]);
  });

  test('are refused if they are ambiguous with references', async () => {
    const cli = await CliHarness.make();
    const unusual = join(cli.folder, 'a:b', 'deep');
    await mkdir(unusual, { recursive: true });
    const { code, stderr } = await cli.run(['inspect', 'oci:../x'], { cwd: unusual });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/contains a ":"/)]);
  });

  test('that do not exist are reported as typed', async () => {
    const cli = await CliHarness.make();
    for (const [name, reason] of [
      ['oci:none', 'none is not an OCI layout: the folder does not exist'],
      ['oci-archive:none.tar', 'there is no archive none.tar\n'],
      ['docker-archive:./none.tar:a', 'there is no archive none.tar\n'],
    ]) {
      const { code, stderr } = await cli.run(['digest', name!]);
      expect([code, stderr]).toEqual([4, expect.stringContaining(reason!)]);
    }
  });
});

test('an error of a layout or an archive has the typed path', async () => {
  const cli = await builds();
  await writeFile(join(cli.folder, 'out', 'amd64', 'index.json'), '{');
  await writeFile(join(cli.folder, 'out', 'arm64.tar'), 'no tar');
  for (const [args, code, message] of [
    [['digest', 'oci:out/amd64'], 3, 'mlist: out/amd64/index.json is damaged: '],
    [['digest', 'oci-archive:./out/arm64.tar'], 3, 'mlist: cannot read the archive out/arm64.tar: '],
    [['digest', 'docker-archive:out'], 3, 'mlist: cannot read the archive out: it is not a regular file'],
    [
      ['copy', 'docker-archive:out/riscv64.tar', 'oci-archive:none/new.tar'],
      1,
      'mlist: cannot write the archive none/new.tar: there is no folder none',
    ],
  ] as const) {
    const result = await cli.run(args);
    expect([args, result.code, result.stderr]).toEqual([args, code, expect.stringContaining(message)]);
    expect(result.stderr).not.toContain(cli.folder);
  }
});

describe('commands that read locations', () => {
  const kinds = [
    ['a layout', 'oci:out/amd64:v1', 'oci', amd64.digest],
    ['a layout by the only image in it', 'oci:out/amd64', 'oci', amd64.digest],
    ['a layout by digest', `oci:out/amd64@${amd64.digest}`, 'oci', amd64.digest],
    ['an OCI archive', 'oci-archive:out/arm64.tar:v1', 'oci-archive', arm64.digest],
    ['an OCI archive by the only image in it', 'oci-archive:./out/arm64.tar', 'oci-archive', arm64.digest],
    ['a docker archive', 'docker-archive:out/riscv64.tar:team/app:riscv64', 'docker-archive', undefined],
    ['a docker archive by the only image in it', 'docker-archive:out/riscv64.tar', 'docker-archive', undefined],
  ] as const;

  test.each(kinds)('%s', async (_, name, from, expected) => {
    const cli = await builds();
    const found = await cli.json<{ from: string; ref: string; digest: string }>('digest', name);
    expect([found.from, found.ref]).toEqual([from, name.replace('./', '')]);
    if (expected !== undefined) expect(found.digest).toBe(expected);
    const { digest } = found;
    expect(sha256(Buffer.from((await cli.run(['inspect', '--raw', name])).stdout))).toBe(digest);
    expect(await cli.must('resolve', name)).toBe(digest);
    expect(await cli.json('exists', name)).toEqual({ exists: true, from, ref: found.ref });
    expect(await cli.json('validate', name)).toMatchObject({ from, valid: true });
    expect(await cli.json('show', name)).toMatchObject({ from, digest });
    expect(await cli.json('inspect', '-v', name)).toMatchObject({ Descriptor: { digest } });
    expect(await cli.must('show', name, '--html', 'page.html')).toBe('');
    const page = await readFile(join(cli.folder, 'page.html'), 'utf8');
    expect(structureProblems(page)).toEqual([]);
    expect(textOf(page)).toContain(digest);
    expect(textOf(page)).toContain(`mlist show ${found.ref} --tree`);
    expect((await cli.run(['exists', name.replace(/(:v1|:team.*|@.*)?$/, ':none')])).code).toBe(4);
  });

  test('show, inspect, resolve and digest read a list in a layout, and its images', async () => {
    const cli = await CliHarness.make();
    const dir = join(cli.folder, 'list');
    const layout = await openLayout(dir, { create: true });
    for (const image of [amd64, arm64]) await putImage(layout, image);
    const index = makeIndex([
      entryOf(amd64, { os: 'linux', architecture: 'amd64' }),
      entryOf(arm64, { os: 'linux', architecture: 'arm64', variant: 'v8' }),
    ]);
    await putDocument(layout, index, 'v1');
    expect(await cli.must('digest', 'oci:list')).toBe(index.digest);
    expect(await cli.must('resolve', 'oci:list', '--platform', 'linux/arm64')).toBe(arm64.digest);
    const own = { x64: amd64, arm64 }[process.arch as string];
    const { code, stdout, stderr } = await cli.run(['resolve', 'oci:list']);
    expect([code, stdout.trim()]).toEqual(own === undefined ? [4, ''] : [0, own.digest]);
    expect(stderr).toMatch(/using linux\/\w+, the platform of this machine; choose another with --platform/);
    const single = await cli.run(['resolve', `oci:list@${arm64.digest}`]);
    expect([single.stdout.trim(), single.stderr]).toEqual([arm64.digest, expect.not.stringContaining('machine')]);
    expect((await cli.run(['inspect', '--raw', 'oci:list', '--platform', 'linux/arm64'])).stdout).toBe(
      arm64.bytes.toString(),
    );
    expect(await cli.must('show', `oci:list@${arm64.digest}`)).toMatch(/^platform linux\/arm64\/v8$/m);
    expect(await cli.json('show', `oci:list@${arm64.digest}`)).toMatchObject({
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      entries: [],
    });
    await cli.must('create', 'x.io/a:v1', 'oci:list');
    expect(await cli.must('digest')).toBe(index.digest);
  });

  test('show --html writes a draft with what clients select, or to stdout', async () => {
    const cli = await builds();
    await cli.must('create', 'x.io/a:v1', ...sources.slice(0, 2));
    await cli.must('show', '--html', 'page.html');
    const page = textOf(await readFile(join(cli.folder, 'page.html'), 'utf8'));
    for (const part of [
      'draft',
      'linux/arm64/v8',
      'oci:out/amd64',
      'all clients get linux/amd64',
      'mlist push x.io/a:v1',
    ])
      expect(page).toContain(part);
    expect(page).not.toContain('docker pull');
    const { stdout } = await cli.run(['show', '--html', '/dev/stdout']);
    expect([structureProblems(stdout), textOf(stdout)]).toEqual([[], page]);
  });

  test.each([
    [['--html', 'page.html', '--json'], /--html and --json cannot be used together/],
    [['--html', 'page.html', '--format', 'markdown'], /--html and --format cannot be used together/],
    [['--html', '-'], /--html takes a file name, not "-"/],
    [['--html', 'none/page.html'], /--html none\/page\.html cannot be written/],
    [['oci:none', '--html', 'page.html'], /oci:none/],
  ])('show %j writes nothing', async (args, message) => {
    const cli = await builds();
    await writeFile(join(cli.folder, 'page.html'), 'before');
    const { code, stderr } = await cli.run([
      'show',
      ...(args[0]?.startsWith('oci:') === true ? [] : ['oci:out/amd64']),
      ...args,
    ]);
    expect([code === 0, stderr]).toEqual([false, expect.stringMatching(message) as unknown]);
    expect(await readFile(join(cli.folder, 'page.html'), 'utf8')).toBe('before');
  });

  test('an archive with several images needs a name', async () => {
    const cli = await CliHarness.make();
    const dir = join(cli.folder, 'two');
    await putInLayout(dir, amd64, 'v1');
    await putInLayout(dir, arm64, 'v2');
    const { code, stderr } = await cli.run(['create', 'x.io/a:v1', 'oci:two']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/oci:two contains 2 images: specify one of them\n +oci:two:v1\n +oci:two:v2/);
    await cli.must('create', 'x.io/a:v1', 'oci:two:v1', 'oci:two:v2');
  });

  test('annotate --subject reads the subject', async () => {
    const cli = await builds();
    await cli.must('create', 'x.io/a:v1', 'oci:out/amd64');
    await cli.must('annotate', '--subject', 'oci-archive:out/arm64.tar');
    expect(JSON.parse(await cli.must('inspect'))).toMatchObject({ subject: { digest: arm64.digest } });
  });
});

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { entryOf, makeImage, makeIndex } from '../support/images.ts';
import { putDocument, putInArchive, putInLayout, putImage } from '../support/layouts.ts';
import { here, list, run, runInOtherFolder, cli } from '../support/other-folder-fixture.ts';

/** Output shows paths relative to the current folder, even if the workspace is elsewhere or in a parent folder. */

const image = (architecture: string) =>
  makeImage({ salt: architecture, kind: 'oci', platform: { architecture, os: 'linux' } });
const amd64 = image('amd64');
const arm64 = image('arm64');
const index = makeIndex(
  [amd64, arm64].map((one, at) => entryOf(one, { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' })),
  { annotations: { note: 'its own' } },
);

runInOtherFolder();

beforeEach(async () => {
  const layout = await openLayout(join(here, 'out'), { create: true });
  for (const one of [amd64, arm64]) await putImage(layout, one);
  await putDocument(layout, index, '1.0');
  await putInArchive(join(here, 'app.tar'), amd64, '1.0');
});

async function outputOf(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code !== 0) throw new Error(stderr);
  return stdout + stderr;
}

async function json<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse((await run(...args, '--json')).stdout) as T;
}

/** The events of `--json` on stderr. */
async function events(...args: readonly string[]): Promise<readonly { readonly type: string }[]> {
  const { stderr } = await run(...args, '--json');
  return stderr.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { type: string }]));
}

/** The content of the only draft's file. */
async function stored(workspace = cli.workspace): Promise<string> {
  const drafts = join(workspace, 'drafts');
  const [name] = await readdir(drafts);
  return readFile(join(drafts, name!), 'utf8');
}

async function removeBlob(digest: string): Promise<void> {
  const hex = digest.slice('sha256:'.length);
  await rm(join(here, 'out', 'blobs', 'sha256', hex));
  await rm(join(cli.workspace, 'blobs', 'sha256', hex), { force: true });
}

describe('with the workspace in another folder', () => {
  test('a warning of create names a location like the line about the added entry', async () => {
    const text = await outputOf('create', list, 'oci:out:1.0', 'oci-archive:app.tar=linux/arm/v7');
    expect(text).toContain('members of the index oci:out:1.0 are not kept');
    expect(text).toContain('added oci-archive:app.tar (linux/arm/v7');
    expect(await stored()).toMatch(/"source": "oci:\.\.\/\.\.\/ci\/job\/out:1\.0"/);
    const changes = (await events('create', 'x.io/b:1', 'oci:out:1.0')).filter(({ type }) => type === 'entry');
    expect(changes).toMatchObject([{ change: { source: 'oci:out:1.0' } }, { change: { source: 'oci:out:1.0' } }]);
  });

  test('all parts of a message about a missing child name it in the same way', async () => {
    await outputOf('create', list, 'oci:out:1.0');
    await removeBlob(arm64.digest);
    const { code, stderr } = await run('push');
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/images are missing from oci:out:1\.0: linux\/arm64 \(sha256:/) as unknown,
    ]);
    expect(stderr).not.toContain('ci/job');
    expect(await events('push')).toMatchObject([{ type: 'error', ref: 'oci:out:1.0' }]);
  });

  test('events and results of reading commands agree, in JSON and in text', async () => {
    for (const command of ['show', 'inspect', 'digest', 'validate', 'explain']) {
      expect((await json<{ ref: string }>(command, 'oci:./out:1.0')).ref).toBe('oci:out:1.0');
      const from = (await events(command, 'oci:./out:1.0')).filter(({ type }) => type === 'from');
      expect([command, from]).toEqual([command, [{ type: 'from', from: 'oci', ref: 'oci:out:1.0' }]]);
      expect((await run(command, 'oci:./out:1.0')).stderr).not.toContain('ci/job');
    }
    await outputOf('create', list, 'oci:out:1.0');
    const shown = await json<{ entries: readonly { source: string }[] }>('show');
    expect(shown.entries.map(({ source }) => source)).toEqual(['oci:out:1.0', 'oci:out:1.0']);
    expect(await json('add', list, 'oci-archive:app.tar', '--keep')).toMatchObject({
      entries: [{}, {}, { source: 'oci-archive:app.tar' }],
    });
    expect(await json('export')).toMatchObject({ manifests: [{ image: `oci:out@${amd64.digest}` }, {}, {}] });
    const [copied] = await events('copy', 'oci:out:1.0', 'oci:../copy:v1');
    expect(copied).toEqual({ type: 'from', from: 'oci', ref: 'oci:out:1.0' });
  });

  test('errors about an unknown or ambiguous entry list locations that can be typed', async () => {
    await outputOf('create', list, 'oci-archive:app.tar');
    const { stderr } = await run('remove', list, 'oci:none');
    expect(stderr).toMatch(/has no entry oci:none\nhint: Available images: oci-archive:app\.tar \(/);
    const left = await run('create', 'x.io/b:1', 'oci-archive:app.tar', 'oci:out:1.0', '--platform', 'linux/arm64');
    expect(left.stderr).toContain('oci-archive:app.tar matches none of the requested platforms');
  });

  test('the push of a draft is found again from any folder', async () => {
    await outputOf('create', list, 'oci-archive:app.tar');
    expect(await events('push', '--to', 'oci:made:v1')).toContainEqual(
      expect.objectContaining({ type: 'tagged', ref: 'oci:made:v1' }),
    );
    const state = JSON.parse(await readFile(join(cli.workspace, 'state.json'), 'utf8')) as { pushes: object };
    expect(state.pushes).toMatchObject({ [list]: { 'oci:../../ci/job/made:v1': {} } });
    const again = await cli.run(['push', '--to', 'oci:ci/job/made:v1']);
    expect([again.code, again.stderr]).toEqual([
      0,
      expect.stringMatching(/^unchanged oci:ci\/job\/made:v1 already refers to /m),
    ]);
  });

  test('an edit without a draft resolves locations against the current folder', async () => {
    await outputOf('create', list, 'oci-archive:app.tar', '--push');
    await outputOf('rm', list);
    const text = await outputOf('add', list, `oci:out@${arm64.digest}`, '--push');
    expect(text).toContain(`added oci:out@${arm64.digest} (linux/arm64`);
    expect(await cli.json('show', list)).toMatchObject({ from: 'registry', entries: [{}, {}] });
  });

  test('a draft of a list in a layout is found from every folder', async () => {
    await outputOf('create', list, 'oci:out:1.0');
    expect(await stored()).toContain('"ref": "oci:../../ci/job/out:1.0"');
    await rm(join(cli.workspace, 'blobs'), { recursive: true });
    expect((await cli.run(['digest'])).stdout.trim()).toBe(index.digest);
  });
});

test('an edit without a change keeps the file, whatever the current folder', async () => {
  const deep = join(here, 'a', 'b', 'c', 'd');
  await mkdir(deep, { recursive: true });
  await outputOf('create', list, 'oci-archive:app.tar');
  const before = await stored();
  const from = { cwd: deep };
  const same = await cli.run(['annotate', list, '--platform', 'linux/amd64', '--arch', 'amd64'], from);
  expect([same.code, same.stderr]).toEqual([0, expect.stringContaining('oci-archive:../../../../app.tar (')]);
  await cli.run(['annotate', list, '--platform', 'linux/amd64', '--annotation', 'a=b'], from);
  await cli.run(['annotate', list, '--platform', 'linux/amd64', '--annotation', 'a-'], from);
  const sources = (text: string) => /"source": "(.*)"/.exec(text)?.[1];
  expect(sources(await stored())).toBe(sources(before));
});

describe('in a folder of a project', () => {
  test('a message and its hint name an entry in the same way', async () => {
    const sub = join(here, 'sub');
    await mkdir(sub);
    await putInLayout(join(here, 'img'), amd64, 'amd64');
    await outputOf('init');
    await outputOf('create', list, 'oci:img:amd64');
    const { code, stderr } = await cli.run(['annotate', 'oci:../img:amd64', '--variant', 'v2'], { cwd: sub });
    expect(code).toBe(2);
    expect(stderr.match(/oci:\S*img:amd64/g)).toEqual(expect.arrayContaining(['oci:../img:amd64']));
    expect(stderr).not.toContain('oci:img:amd64');
    expect(await stored(join(here, '.mlist'))).toContain('"source": "oci:img:amd64"');
  });

  test('prints paths as stored if the relative path would contain ":"', async () => {
    const folderWithColon = join(cli.folder, 'a:b');
    await putInLayout(join(folderWithColon, 'img'), amd64, 'amd64');
    await cli.run(['init'], { cwd: folderWithColon });
    await cli.run(['create', 'x.io/a:1', 'oci:img'], { cwd: folderWithColon });
    const { code, stdout } = await run('show', 'x.io/a:1', '--workspace', join(folderWithColon, '.mlist'));
    expect([code, stdout]).toEqual([0, expect.stringContaining('oci:img')]);
    expect((await run('create', 'x.io/a:1', '--amend', '--workspace', join(folderWithColon, '.mlist'))).code).toBe(0);
  });
});

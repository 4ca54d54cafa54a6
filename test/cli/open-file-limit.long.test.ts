import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Workspace } from '../../src/draft/workspace/workspace.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { entryOf, makeImage, makeIndex, pushImage, sha256, type Served } from '../support/images.ts';
import { putInArchive } from '../support/layouts.ts';
import { casesOf, isLong } from '../support/long.ts';
import { runMlist, runMlistBy, type Ended } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** The number of files that a process may open. The default of macOS is 256. */
const LIMIT = 160;
const MANY = isLong ? 192 : 164;

let registry: RunningRegistry;
let folder: string;
beforeAll(async () => {
  [registry, folder] = await Promise.all([startRegistry(), temporaryFolder()]);
});
afterAll(() => registry.close());

function runLimited(args: readonly string[], workspace = join(folder, 'ws')): Promise<Ended> {
  return runMlistBy(['sh', '-c', `ulimit -n ${LIMIT}; exec "$@"`, 'sh'], args, { MLIST_WORKSPACE: workspace });
}

const numbers = Array.from({ length: MANY }, (_, at) => at);
const platformOf = (at: number) => ({ os: 'linux', architecture: 'arm', variant: `v${at}` });

/** Writes a layout in which `v1` is this manifest. */
async function writeLayout(dir: string, { mediaType, digest, bytes }: Served, blobs: readonly Buffer[]) {
  await mkdir(join(dir, 'blobs', 'sha256'), { recursive: true });
  for (const blob of [bytes, ...blobs])
    await writeFile(join(dir, 'blobs', 'sha256', sha256(blob).replace('sha256:', '')), blob);
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  const manifests = [{ mediaType, digest, size: bytes.length, annotations }];
  await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return `oci:${dir}:v1`;
}

(process.platform === 'win32' ? describe.skip : describe)('with few open files allowed', () => {
  test(`lists, completes and prunes ${2 * MANY} drafts`, async () => {
    const workspace = new Workspace(join(folder, 'many-drafts'));
    await workspace.create();
    for (const at of [...numbers, ...numbers.map((one) => one + MANY)]) {
      const list = `localhost:5000/app:v${at}`;
      await writeFile(
        workspace.pathOf(parseReference(list)),
        JSON.stringify({ version: 1, list, format: 'oci', entries: [] }),
      );
    }
    const listed = await runLimited(['ls', '--json'], workspace.folder);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    const { drafts } = JSON.parse(listed.stdout) as { drafts: { ref?: string }[] };
    expect(drafts.filter(({ ref }) => ref !== undefined)).toHaveLength(2 * MANY);
    const completed = await runLimited(['--complete', 'show', ''], workspace.folder);
    expect(completed.stdout.trimEnd().split('\n')).toHaveLength(2 * MANY);
    expect(await runLimited(['prune'], workspace.folder)).toMatchObject({ code: 0 });
  });

  test('copies and validates an image of many layers', async () => {
    const image = makeImage({ kind: 'oci', layers: MANY });
    const local = await writeLayout(join(folder, 'layers'), image, image.blobs);
    const archive = `oci-archive:${join(folder, 'layers.tar')}:v1`;
    const remote = `${registry.host}/layers:v1`;
    const more = [
      ['copy', local, archive],
      ['copy', archive, `oci:${join(folder, 'layers-from-archive')}:v1`],
      ['copy', remote, `oci:${join(folder, 'layers-from-registry')}:v1`],
      ['validate', '--deep', local],
    ];
    for (const args of [['copy', local, remote], ...(isLong ? more : [])])
      expect(await runLimited(args)).toMatchObject({ code: 0 });
  });

  test('copies and validates a list of many images', async () => {
    const images = numbers.map((at) => makeImage({ kind: 'oci', salt: `${at}`, platform: platformOf(at) }));
    const list = makeIndex(images.map((image, at) => entryOf(image, platformOf(at))));
    const blobs = images.flatMap((image) => [image.bytes, ...image.blobs]);
    const local = await writeLayout(join(folder, 'images'), list, blobs);
    const more = [
      ['copy', local, `${registry.host}/images:v1`],
      ['copy', local, `oci-archive:${join(folder, 'images.tar')}:v1`],
      ['copy', local, `oci:${join(folder, 'images-again')}:v1`],
      ['create', 'localhost:1/list', local],
      ['explain', local],
    ];
    for (const args of [['validate', '--deep', local], ...(isLong ? more : [])])
      expect(await runLimited(args)).toMatchObject({ code: 0 });
  });

  test(`reads and pushes a list of ${MANY} archives`, async () => {
    const archives = numbers.map((at) => join(folder, `image${at}.tar`));
    for (const [at, path] of archives.entries()) {
      await putInArchive(path, makeImage({ kind: 'oci', platform: platformOf(at), salt: `archive ${at}` }));
    }
    const list = `${registry.host}/archives:v1`;
    const named = archives.flatMap((path) => ['--file', `${path}.txt`]);
    for (const path of archives) await writeFile(`${path}.txt`, `oci-archive:${path}\n`);
    expect(await runLimited(['create', list, ...named])).toMatchObject({ code: 0 });
    if (isLong) expect(await runLimited(['push', list])).toMatchObject({ code: 0 });
  });

  if (isLong)
    test(`pushes to ${MANY} archives`, async () => {
      const targets = numbers.flatMap((at) => ['--to', `oci-archive:${join(folder, `target${at}.tar`)}:v1`]);
      const small = `${registry.host}/archives:small`;
      const archive = join(folder, 'small.tar');
      await putInArchive(archive, makeImage({ kind: 'oci', salt: 'small' }));
      expect(await runLimited(['create', small, `oci-archive:${archive}`])).toMatchObject({ code: 0 });
      expect(await runLimited(['push', small, ...targets])).toMatchObject({ code: 0 });
    });
});

describeWith('strace', 'a file that cannot be opened', () => {
  let workspace: Workspace;
  let path: string;
  beforeAll(async () => {
    await pushImage(registry.url, 'app', 'v1', makeImage({ kind: 'oci', salt: 'cached' }));
    workspace = new Workspace(join(await temporaryFolder(), 'ws'));
    for (const tag of ['one', 'two']) {
      const args = ['create', `${registry.host}/app:${tag}`, `${registry.host}/app:v1`];
      expect(await runMlist(args, { MLIST_WORKSPACE: workspace.folder })).toMatchObject({ code: 0 });
    }
    path = workspace.pathOf(parseReference(`${registry.host}/app:one`));
  });

  /** Runs the built program on a system that fails to open this file with the given error. */
  function runWithout(file: string, error: string, ...args: readonly string[]): Promise<Ended> {
    const inject = ['-P', file, '-e', 'trace=openat', '-e', `inject=openat:error=${error}`];
    return runMlistBy(['strace', '-f', '-qq', '-o', '/dev/null', ...inject], args, {
      MLIST_WORKSPACE: workspace.folder,
    });
  }

  const errors = [
    ['EMFILE', 'this process has too many open files'],
    ['ENFILE', 'the system has too many open files'],
    ['EACCES', 'permission denied'],
  ] as const;
  test.each(casesOf(errors, 3))('with %s is not a damaged draft', async (error, reason) => {
    for (const command of ['ls', 'prune']) {
      const { code, stdout, stderr } = await runWithout(path, error, command, '--json');
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(JSON.parse(stderr)).toMatchObject({ code: 'ERR_MLIST_FILE', path });
      expect(stderr).toContain(reason);
    }
    expect(await runWithout(path, error, '--complete', 'show', '')).toMatchObject({ code: 0, stderr: '' });
  });

  test('is not listed if it has been removed in the meantime', async () => {
    const { code, stdout, stderr } = await runWithout(path, 'ENOENT', 'ls', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { drafts } = JSON.parse(stdout) as { drafts: { ref: string }[] };
    expect(drafts.map(({ ref }) => ref)).toEqual([`${registry.host}/app:two`]);
  });

  test('that cannot be opened does not make its cached blobs unused', async () => {
    const blobs = join(workspace.folder, 'blobs', 'sha256');
    const names = await readdir(blobs);
    const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
    for (const name of names) await utimes(join(blobs, name), longAgo, longAgo);
    const [entry] = (await workspace.load(parseReference(`${registry.host}/app:two`))).entries;
    const manifest = join(blobs, entry!.digest.replace('sha256:', ''));
    expect(await runWithout(manifest, 'EMFILE', 'prune')).toMatchObject({ code: 1 });
    expect(await readdir(blobs)).toEqual(names);
  });
});

test('a folder in the place of a draft is reported, and the other drafts are listed', async () => {
  const workspace = new Workspace(join(folder, 'strange'));
  const env = { MLIST_WORKSPACE: workspace.folder };
  expect(await runMlist(['create', 'localhost:1/app'], env)).toMatchObject({ code: 0 });
  await mkdir(join(workspace.folder, 'drafts', 'strange.json'));
  const { code, stdout } = await runMlist(['ls', '--json'], env);
  const { drafts } = JSON.parse(stdout) as { drafts: object[] };
  expect(code).toBe(0);
  expect(drafts).toMatchObject([{ ref: 'localhost:1/app:latest' }, { name: 'strange', damaged: expect.any(String) }]);
});

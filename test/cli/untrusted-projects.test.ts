import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { formatOf } from '../../src/store/docker-image/layer-compression.ts';
import { startableProgram } from '../../src/store/program-path.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, temporaryFolder, type CliResult } from '../support/cli-harness.ts';
import { getManifest, makeImage, pushBlob, sha256 } from '../support/images.ts';
import { putInArchive, putInLayout } from '../support/layouts.ts';
import { savedImage } from '../support/scripted-engine.ts';

/** A cloned repository with a workspace or a spec, both written by somebody else. */
const secret = makeImage({ kind: 'oci', salt: 'secret' });

/** A project in a folder of the home folder, and a layout and an archive outside the project. */
class Scene {
  readonly cli: CliHarness;
  readonly host: string;
  readonly url: string;
  readonly project: string;

  private constructor(cli: CliHarness, { host, url }: { readonly host: string; readonly url: string }) {
    this.cli = cli;
    this.host = host;
    this.url = url;
    this.project = join(cli.folder, 'src', 'project');
  }

  static async make(): Promise<Scene> {
    const scene = new Scene(await CliHarness.make(), cleanup(await startRegistry()));
    await mkdir(scene.project, { recursive: true });
    await putInLayout(join(scene.cli.folder, 'secret'), secret, '1');
    await putInArchive(join(scene.cli.folder, 'secret.tar'), secret, '1');
    await putInLayout(join(scene.project, 'build'), secret, '1');
    return scene;
  }

  run(...args: readonly string[]): Promise<CliResult> {
    return this.cli.run(args, { cwd: this.project });
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.project, path)), { recursive: true });
    await writeFile(join(this.project, path), text);
  }

  /** Writes a draft with this source, as another user would commit it. */
  async commitDraft(source: string, more: object = {}): Promise<string> {
    const list = `${this.host}/app:1`;
    const { mediaType, digest, bytes } = secret;
    const entry = { source, mediaType, digest, size: bytes.length, detected: { os: 'linux', architecture: 'amd64' } };
    const draft = { version: 1, list, format: 'auto', entries: [{ ...entry, ...more }] };
    await this.write(`.mlist/drafts/${encodeURIComponent(list).replaceAll('%2f', '%2F')}.json`, JSON.stringify(draft));
    return list;
  }

  async spec(source: string): Promise<void> {
    await this.write('lists.yaml', `list: ${this.host}/app:1\nmanifests: ["${source}"]\n`);
  }
}

function expectBlocked({ code, stdout, stderr }: CliResult, source: string): void {
  expect({ code, stdout }).toEqual({ code: 2, stdout: expect.not.stringContaining('pushed') as unknown });
  expect(stderr).toContain(source);
  expect(stderr).toMatch(/is outside .*, and only|is an image in a container engine, and only/);
  expect(stderr).toContain('add --allow-outside');
}

describe('a committed draft', () => {
  const sources: readonly (readonly [string, (scene: Scene) => string])[] = [
    ['an absolute path', ({ cli }) => `oci:${cli.folder}/secret:1`],
    ['a relative path', () => 'oci:../../secret:1'],
    ['an archive', () => 'oci-archive:../../secret.tar:1'],
    ['a device', () => 'docker-archive:/dev/zero'],
    ['a system file', () => 'oci-archive:/etc/passwd'],
    ['an image of docker', () => 'docker-daemon:docker.io/library/app:1'],
    ['an image of podman', () => 'podman:docker.io/library/app:1'],
  ];
  const commands: readonly (readonly string[])[] = [
    ['push'],
    ['push', '--dry-run', '--force'],
    ['validate', '--deep'],
    ['create', '--amend'],
    ['annotate', '--annotation', 'a=b', '--push'],
  ];
  test.each(sources)('with %s outside the project is not pushed', async (_name, source) => {
    const scene = await Scene.make();
    const list = await scene.commitDraft(source(scene));
    expectBlocked(await scene.run('push', list), source(scene));
  });

  test.each(commands.map((args): [string, readonly string[]] => [args.join(' '), args]))(
    'is not read by %s',
    async (_name, [command = '', ...options]) => {
      const scene = await Scene.make();
      const list = await scene.commitDraft('oci:../../secret:1');
      const manifest = command === 'annotate' ? [secret.digest] : [];
      expectBlocked(await scene.run(command, list, ...manifest, ...options), 'oci:../../secret:1');
    },
  );

  test('that names the place of missing content outside the project is not pushed', async () => {
    const scene = await Scene.make();
    await rm(join(scene.project, 'build', 'blobs'), { recursive: true });
    const list = await scene.commitDraft('oci:build:1', { fill: ['oci:../../secret'] });
    expectBlocked(await scene.run('push', list), 'oci:../../secret');
  });

  test('with a link out of the project is not pushed', async () => {
    const scene = await Scene.make();
    await symlink('../../secret', join(scene.project, 'linked'));
    await symlink('../..', join(scene.project, 'up'));
    for (const source of ['oci:linked:1', 'oci:up/secret:1']) {
      const list = await scene.commitDraft(source);
      expectBlocked(await scene.run('push', list), source);
    }
  });

  test('is pushed with --allow-outside, which is not recorded', async () => {
    const scene = await Scene.make();
    const list = await scene.commitDraft('oci:../../secret:1');
    expect(await scene.run('push', list, '--allow-outside')).toMatchObject({ code: 0 });
    expectBlocked(await scene.run('push', list, '--force'), 'oci:../../secret:1');
  });

  test('with paths in the project is pushed', async () => {
    const scene = await Scene.make();
    const list = await scene.commitDraft('oci:build:1');
    expect(await scene.run('push', list)).toMatchObject({ code: 0 });
  });

  test('is shown and removed without being read', async () => {
    const scene = await Scene.make();
    const list = await scene.commitDraft('oci:../../secret:1');
    expect(await scene.run('show', list)).toMatchObject({ code: 0 });
    expect(await scene.run('validate', list)).toMatchObject({ code: 0 });
    expect(await scene.run('rm', list)).toMatchObject({ code: 0 });
  });

  test('in a workspace that --workspace names is checked too', async () => {
    const scene = await Scene.make();
    const list = await scene.commitDraft('oci:../../secret:1');
    const result = await scene.cli.run(['push', list, '--workspace', join(scene.project, '.mlist')]);
    expectBlocked(result, 'secret:1');
  });
});

describe('a path that the user has named', () => {
  test('may be outside the project, and later commands may read it', async () => {
    const scene = await Scene.make();
    await scene.run('init');
    const list = `${scene.host}/app:1`;
    expect(await scene.run('create', list, 'oci:../../secret:1')).toMatchObject({ code: 0 });
    expect(await scene.run('push', list)).toMatchObject({ code: 0 });
    expect(await scene.run('create', list, '--amend')).toMatchObject({ code: 0 });
    expect(await scene.run('validate', list, '--deep')).toMatchObject({ code: 0 });
  });

  test('is allowed for that workspace only', async () => {
    const scene = await Scene.make();
    await scene.run('init');
    const list = `${scene.host}/app:1`;
    await scene.run('create', list, `oci:${scene.cli.folder}/secret:1`);
    const clone = join(scene.cli.folder, 'src', 'clone');
    await cp(scene.project, clone, { recursive: true });
    expectBlocked(await scene.cli.run(['push', list], { cwd: clone }), 'secret:1');
  });

  test('is allowed for a command that does not store it', async () => {
    const scene = await Scene.make();
    await scene.run('init');
    expect(await scene.run('copy', 'oci:../../secret:1', `${scene.host}/app:1`)).toMatchObject({ code: 0 });
    expect(await scene.run('show', 'oci:../../secret:1')).toMatchObject({ code: 0 });
    const list = await scene.commitDraft('oci:../../secret:1');
    expectBlocked(await scene.run('push', list, '--force'), 'oci:../../secret:1');
  });

  test('is not recorded inside the project, where a repository could contain the record', async () => {
    const scene = await Scene.make();
    await scene.run('init');
    await scene.run('create', `${scene.host}/app:1`, 'oci:../../secret:1');
    expect(await readdir(join(scene.project, '.mlist'))).not.toContain('outside');
    expect(await readdir(join(scene.cli.workspace, 'outside'))).toHaveLength(1);
  });

  test('that cannot be recorded is reported', async () => {
    const scene = await Scene.make();
    await scene.run('init');
    await mkdir(dirname(scene.cli.workspace), { recursive: true });
    await writeFile(scene.cli.workspace, 'a file in place of the folder');
    const result = await scene.run('create', `${scene.host}/app:1`, 'oci:../../secret:1');
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain('Later commands that read it need --allow-outside');
  });

  test("in the user's own workspace, every path is", async () => {
    const scene = await Scene.make();
    const list = `${scene.host}/app:1`;
    await scene.run('create', list, 'oci:../../secret:1');
    await rm(join(scene.cli.workspace, 'outside'), { recursive: true, force: true });
    expect(await scene.run('push', list)).toMatchObject({ code: 0 });
  });
});

describe('a spec', () => {
  const sources = ['oci:../../secret:1', 'oci-archive:/etc/passwd', 'oci-archive:/dev/zero', 'podman:app:1'];
  test.each(sources)('with %s is not applied', async (source) => {
    const scene = await Scene.make();
    await scene.spec(source);
    const result = await scene.run('apply', '-f', 'lists.yaml');
    expect(result).toMatchObject({ code: 2, stdout: expect.stringMatching(/^failed /) as unknown });
    expect(result.stderr).toContain('lists.yaml:1: ');
    expect(result.stderr).toContain('add --allow-outside');
  });

  const members: readonly (readonly [string, string])[] = [
    ['copy', 'copy: oci:../../secret:1'],
    ['subject', 'manifests: [oci:build:1]\nsubject: oci:../../secret:1'],
    ['fillFrom', 'missing: fill\nfillFrom: [oci:../../secret]\nmanifests: [oci:build:1]'],
    ['a template', 'platforms: [linux/amd64]\nmanifests: ["oci:../../{os}:1"]'],
  ];
  test.each(members)('with such a path in %s is not applied', async (_name, text) => {
    const scene = await Scene.make();
    await scene.write('lists.yaml', `list: ${scene.host}/app:1\n${text}\n`);
    expect(await scene.run('apply', '-f', 'lists.yaml')).toMatchObject({ code: 2 });
  });

  test('does not affect other lists, and is applied with --allow-outside', async () => {
    const scene = await Scene.make();
    const other = `list: ${scene.host}/other:1\nmanifests: [oci:build:1]\n`;
    await scene.write('lists.yaml', `list: ${scene.host}/app:1\nmanifests: [oci:../../secret:1]\n---\n${other}`);
    const refused = await scene.run('apply', '-f', 'lists.yaml');
    expect(refused).toMatchObject({ code: 2, stdout: expect.stringMatching(/^failed .*\npushed /) as unknown });
    expect(await scene.run('apply', '-f', 'lists.yaml', '--allow-outside')).toMatchObject({ code: 0 });
  });

  test('may name paths in its folder, and in the current folder', async () => {
    const scene = await Scene.make();
    await scene.run('init');
    await scene.write('ci/lists.yaml', `list: ${scene.host}/app:1\nmanifests: [oci:build:1]\n`);
    expect(await scene.run('apply', '-f', 'ci/lists.yaml')).toMatchObject({ code: 0 });
    const inside = await scene.cli.run(['apply', '-f', '../lists.yaml', '--force'], { cwd: join(scene.project, 'ci') });
    expect(inside).toMatchObject({ code: 4 });
    await scene.write('lists.yaml', `list: ${scene.host}/app:2\nmanifests: [oci:../build:1]\n`);
    expect(await scene.cli.run(['apply', '-f', '../lists.yaml'], { cwd: join(scene.project, 'ci') })).toMatchObject({
      code: 0,
    });
  });

  test('on stdin may name paths in the current folder', async () => {
    const scene = await Scene.make();
    const apply = (source: string) =>
      scene.cli.run(['apply', '-f', '-'], {
        cwd: scene.project,
        stdin: `list: ${scene.host}/app:1\nmanifests: ["${source}"]\n`,
      });
    expect(await apply('oci:../../secret:1')).toMatchObject({ code: 2 });
    expect(await apply('oci:build:1')).toMatchObject({ code: 0 });
  });

  test('may name paths that --fill-from names', async () => {
    const scene = await Scene.make();
    await scene.spec('oci:build:1');
    const fill = ['--missing', 'fill', '--fill-from', 'oci:../../secret'];
    expect(await scene.run('apply', '-f', 'lists.yaml', ...fill)).toMatchObject({ code: 0 });
  });

  test('as a list of sources for create is checked in the same way', async () => {
    const scene = await Scene.make();
    await scene.write('images.txt', 'oci:../../secret:1\n');
    const args = ['create', `${scene.host}/app:1`, '-f', 'images.txt'];
    expectBlocked(await scene.run(...args), 'oci:../../secret:1');
    expect(await scene.run(...args, '--allow-outside')).toMatchObject({ code: 0 });
  });
});

describe('the metadata of --docker-metadata', () => {
  test.each(['oci:../../target:1', 'oci-archive:/tmp/target.tar:1', 'podman:app:1'])(
    'cannot make a push write %s',
    async (tag) => {
      const scene = await Scene.make();
      await scene.write('metadata.json', JSON.stringify({ tags: [`${scene.host}/app:1`, tag] }));
      const result = await scene.run('create', 'oci:build:1', '--docker-metadata', 'metadata.json', '--push');
      expect(result).toMatchObject({ code: 3, stdout: '' });
      expect(result.stderr).toContain('is a local location, not a registry reference');
      expect(await readdir(scene.cli.folder)).not.toContain('target');
    },
  );
});

describe('other files in a committed workspace', () => {
  test('cannot replace a layer by another blob that the target has', async () => {
    const scene = await Scene.make();
    const content = Buffer.alloc(2048, 'layer');
    const other = gzipSync(Buffer.from('another layer'));
    await pushBlob(scene.url, 'app', other);
    await writeFile(join(scene.project, 'saved.tar'), savedImage('app:1', { layers: [content] }).tar());
    const record = JSON.stringify({ digest: sha256(other), size: other.length });
    await scene.write(`.mlist/layers/${sha256(content).slice('sha256:'.length)}.${formatOf('gzip')}`, record);
    const copied = await scene.run('copy', 'docker-archive:saved.tar', `${scene.host}/app:1`, '--compression', 'gzip');
    expect(copied).toMatchObject({ code: 0 });
    const { bytes } = (await getManifest(scene.url, 'app', '1'))!;
    expect(bytes.toString()).not.toContain(sha256(other));
    expect(await readdir(join(scene.cli.workspace, 'layers'))).toHaveLength(1);
  });

  test('of a cached document are not used if they do not have its digest', async () => {
    const scene = await Scene.make();
    const name = secret.digest.slice('sha256:'.length);
    await scene.write(`.mlist/blobs/sha256/${name}`, secret.bytes.toString().replace('schemaVersion', 'schemaVersioN'));
    const list = await scene.commitDraft('oci:build:1');
    expect(await scene.run('push', list)).toMatchObject({ code: 0 });
    expect((await getManifest(scene.url, 'app', secret.digest))?.bytes).toEqual(secret.bytes);
  });
});

describe('a program in the current folder', () => {
  test('is not started in place of one on PATH, as Windows would', async () => {
    const [repository, tools] = [await temporaryFolder(), await temporaryFolder()];
    for (const folder of [repository, tools])
      await writeFile(join(folder, 'docker-credential-wincred.exe'), '', { mode: 0o755 });
    const before = process.cwd();
    cleanup({ close: () => process.chdir(before) });
    process.chdir(repository);
    const start = (path: string) => startableProgram('docker-credential-wincred', { PATH: path }, 'win32');
    expect(start(['.', '', tools].join(delimiter))).toBe(join(tools, 'docker-credential-wincred.exe'));
    expect(start(['.', ''].join(delimiter))).toBeUndefined();
  });
});

describe('links in a committed workspace', () => {
  let scene: Scene;
  let outside: string;
  beforeAll(async () => {
    scene = await Scene.make();
    outside = await temporaryFolder();
  });

  const folders = ['drafts', 'blobs', 'layers', 'locks', 'blobs/sha256'];
  test.each(folders)('%s does not lead out of it', async (name) => {
    const workspace = join(scene.project, '.mlist');
    await rm(workspace, { recursive: true, force: true });
    await mkdir(dirname(join(workspace, name)), { recursive: true });
    await symlink(outside, join(workspace, name));
    const file = join(outside, 'precious.txt');
    await writeFile(file, 'precious');
    await utimes(file, 1, 1);
    for (const args of [['prune'], ['create', `${scene.host}/app:1`, 'oci:build:1'], ['ls']]) {
      const result = await scene.run(...args);
      expect(result).toMatchObject({ code: 3, stdout: '' });
      expect(result.stderr).toContain(`${join(workspace, name)} is a symbolic link that leads out of ${workspace}`);
    }
    expect(await readdir(outside)).toEqual(['precious.txt']);
  });

  test('a link without a target is refused', async () => {
    const workspace = join(scene.project, '.mlist');
    await rm(workspace, { recursive: true, force: true });
    await mkdir(workspace);
    await symlink('missing', join(workspace, 'drafts'));
    const { code, stderr } = await scene.run('ls');
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining(`${join(workspace, 'drafts')} is a broken symbolic link`),
    ]);
  });

  test('a workspace that is such a link is no more trusted than others', async () => {
    const own = await Scene.make();
    const workspace = join(own.project, '.mlist');
    const list = await own.commitDraft('oci:../../secret:1');
    await rename(workspace, join(own.cli.folder, 'elsewhere'));
    await symlink(join(own.cli.folder, 'elsewhere'), workspace);
    expectBlocked(await own.run('push', list), 'oci:../../secret:1');
  });

  test('init does not write through a link', async () => {
    const workspace = join(scene.project, '.mlist');
    await rm(workspace, { recursive: true, force: true });
    await mkdir(workspace);
    await writeFile(join(outside, 'profile'), 'mine');
    await symlink(join(outside, 'profile'), join(workspace, '.gitignore'));
    expect(await scene.run('init')).toMatchObject({ code: 0 });
    expect(await readFile(join(outside, 'profile'), 'utf8')).toBe('mine');
    await rm(workspace, { recursive: true });
  });

  test('prune removes nothing but records and cached documents', async () => {
    const workspace = join(scene.project, '.mlist');
    const files = ['layers/notes.txt', 'blobs/sha256/notes.txt', `layers/${'a'.repeat(64)}.${formatOf('gzip')}`];
    for (const name of files) {
      await scene.write(`.mlist/${name}`, '{}');
      await utimes(join(workspace, name), 1, 1);
    }
    expect(await scene.run('prune')).toMatchObject({ code: 0 });
    const exists = await Promise.all(
      files.map((name) =>
        stat(join(workspace, name)).then(
          () => true,
          () => false,
        ),
      ),
    );
    expect(exists).toEqual([true, true, false]);
  });
});

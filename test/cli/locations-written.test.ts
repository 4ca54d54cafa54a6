import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { OciArchive } from '../../src/store/archive/oci-archive.ts';
import { TarFile } from '../../src/store/archive/tar/tar-file.ts';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { pushImage, sha256, type Image } from '../support/images.ts';
import { amd64, arm64, builds, registry, serveLocations, sources } from '../support/local-builds.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Layouts and archives as targets of push. */
serveLocations();

describe('push writes', () => {
  async function drafted(): Promise<CliHarness> {
    const world = await builds();
    await world.must('create', `${registry.host}/team/written:v1`, ...sources.slice(0, 2));
    return world;
  }

  async function expectIn(
    home: { fetchManifest(name: string): Promise<{ bytes: Uint8Array }> },
    digest: string,
    image: Image,
  ): Promise<void> {
    expect(sha256((await home.fetchManifest(digest)).bytes)).toBe(digest);
    expect(sha256((await home.fetchManifest(image.digest)).bytes)).toBe(image.digest);
  }

  test('a layout, with the children and their blobs', async () => {
    const world = await drafted();
    const digest = await world.must('push', '--to', 'oci:made:v1', '--to', 'oci:made:v2');
    const layout = await openLayout(join(world.folder, 'made'));
    expect((await layout.resolve('v1')).digest).toBe(digest);
    expect((await layout.resolve('v2')).digest).toBe(digest);
    await expectIn(layout, digest, arm64);
    for (const blob of [...amd64.blobs, ...arm64.blobs]) {
      expect(await layout.blobSize(sha256(blob) as never)).toBe(blob.length);
    }
    const again = await world.run(['push', '--to', 'oci:made:v1']);
    expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/^unchanged oci:made:v1 already has /m)]);
  });

  test('an OCI archive, with the same bytes every time', async () => {
    const world = await drafted();
    const digest = await world.must('push', '--to', 'oci-archive:one.tar:v1');
    await world.must('push', '--to', 'oci-archive:two.tar:v1');
    const [one, two] = await Promise.all(['one.tar', 'two.tar'].map((name) => readFile(join(world.folder, name))));
    expect(one!.equals(two!)).toBe(true);
    const archive = await OciArchive.open(join(world.folder, 'one.tar'));
    await expectIn(archive, digest, arm64);
    await archive.close();
    const before = await stat(join(world.folder, 'one.tar'));
    expect((await world.run(['push', '--to', 'oci-archive:one.tar:v1'])).stderr).toMatch(/^unchanged /m);
    expect((await stat(join(world.folder, 'one.tar'))).ino).toBe(before.ino);
    expect((await readdir(world.folder)).filter((name) => name.startsWith('.') && name !== '.local')).toEqual([]);
  });

  test('an archive for docker load, if the list has one image', async () => {
    const world = await builds();
    await world.must('create', `${registry.host}/team/written:v2`, 'oci-archive:out/arm64.tar');
    await world.must('push', '--to', 'oci-archive:one.tar:v2');
    const tar = await TarFile.open(join(world.folder, 'one.tar'));
    const list = JSON.parse(Buffer.from((await tar.bytes('manifest.json', 10_000))!).toString()) as object[];
    expect(list).toMatchObject([{ RepoTags: [`${registry.host}/team/written:v2`] }]);
    await tar.close();
  });

  test('nothing if the target already has the list, and reports that even if another target fails', async () => {
    const world = await drafted();
    const digest = await world.must('push', '--to', 'oci:one:v1');
    const gone = await startRegistry();
    await gone.close();
    const push = ['push', '--to', 'oci:one:v1', '--to', `${gone.host}/a:v1`, '--to', 'oci:two:v1'];
    const ran = await world.run(push);
    expect(ran).toMatchObject({ code: 7, stdout: '' });
    expect(ran.stderr).toContain(`unchanged oci:one:v1 already has ${digest}\n`);
    expect(ran.stderr).toContain(`pushed oci:two:v1 ${digest}\n`);
    expect(ran.stderr).toContain(`${gone.host} refuses the connection`);
    const told = (await world.run([...push, '--json'])).stderr.split('\n').filter((line) => line.includes('unchanged'));
    expect(told.map((line) => JSON.parse(line) as unknown)).toEqual(
      ['oci:one:v1', 'oci:two:v1'].map((ref) => ({ type: 'unchanged', ref, digest })),
    );
  });

  test('not into an archive of docker save, which stays unchanged', async () => {
    const world = await drafted();
    const before = await readFile(join(world.folder, 'out/riscv64.tar'));
    const { code, stderr } = await world.run(['push', '--to', 'oci-archive:out/riscv64.tar:v1']);
    expect([code, stderr]).toEqual([3, expect.stringMatching(/not an OCI archive[^]*hint: Write to another file/)]);
    expect((await readFile(join(world.folder, 'out/riscv64.tar'))).equals(before)).toBe(true);
  });

  test('from one layout into another, and into the same one', async () => {
    const world = await builds();
    await world.must('create', 'x.io/a:v1', 'oci:out/amd64');
    const digest = await world.must('push', '--to', 'oci:out/amd64:list');
    expect(await world.must('digest', 'oci:out/amd64:list')).toBe(digest);
    expect(await world.must('digest', 'oci:out/amd64:v1')).toBe(amd64.digest);
  });

  test('from an archive into the same one', async () => {
    const world = await builds();
    await world.must('create', 'x.io/a:v1', 'oci-archive:out/arm64.tar:v1');
    const digest = await world.must('push', '--to', 'oci-archive:out/arm64.tar:list');
    expect(await world.must('digest', 'oci-archive:out/arm64.tar:list')).toBe(digest);
    expect(await world.must('digest', 'oci-archive:out/arm64.tar:v1')).toBe(arm64.digest);
    expect(await world.must('inspect', `oci-archive:out/arm64.tar@${arm64.digest}`)).toBe(arm64.bytes.toString());
  });

  test('nothing in a dry run', async () => {
    const world = await drafted();
    const before = await readdir(world.folder);
    const { code, stderr } = await world.run([
      'push',
      '--dry-run',
      '--to',
      'oci:new:v1',
      '--to',
      'oci-archive:new.tar:v1',
    ]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/plan for oci:new:v1[^]*plan for oci-archive:new.tar:v1/),
    ]);
    expect(await readdir(world.folder)).toEqual(before);
  });

  test('never a docker archive', async () => {
    const world = await drafted();
    const { code, stderr } = await world.run(['push', '--to', 'docker-archive:new.tar:v1']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/cannot write docker-archive:new.tar: docker archives are read-only[^]*oci-archive:FILE/),
    ]);
  });

  test('a list in a registry completely into an archive', async () => {
    const world = await CliHarness.make();
    await pushImage(registry.url, 'team/remote', 'amd64', amd64);
    await pushImage(registry.url, 'team/remote', 'arm64', arm64);
    const [one, two] = ['amd64', 'arm64'].map((tag) => `${registry.host}/team/remote:${tag}`);
    await world.must('create', `${registry.host}/team/remote:v1`, one!, two!);
    const digest = await world.must('push', '--to', 'oci-archive:remote.tar:v1');
    const archive = await OciArchive.open(join(world.folder, 'remote.tar'));
    await expectIn(archive, digest, arm64);
    await archive.close();
  });
});

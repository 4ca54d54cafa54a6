import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { OciArchive } from '../../src/store/archive/oci-archive.ts';
import { TarFile } from '../../src/store/archive/tar/tar-file.ts';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { pushImage, sha256, type Image } from '../support/images.ts';
import { amd64, arm64, builds, registry, serveLocalBuilds, sources } from '../support/local-builds.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Layouts and archives as targets of push. */
serveLocalBuilds();

describe('push writes', () => {
  async function drafted(): Promise<CliHarness> {
    const cli = await builds();
    await cli.must('create', `${registry.host}/team/written:v1`, ...sources.slice(0, 2));
    return cli;
  }

  async function expectIn(
    store: { fetchManifest(name: string): Promise<{ bytes: Uint8Array }> },
    digest: string,
    image: Image,
  ): Promise<void> {
    expect(sha256((await store.fetchManifest(digest)).bytes)).toBe(digest);
    expect(sha256((await store.fetchManifest(image.digest)).bytes)).toBe(image.digest);
  }

  test('a layout, with the children and their blobs', async () => {
    const cli = await drafted();
    const digest = await cli.must('push', '--to', 'oci:made:v1', '--to', 'oci:made:v2');
    const layout = await openLayout(join(cli.folder, 'made'));
    expect((await layout.resolve('v1')).digest).toBe(digest);
    expect((await layout.resolve('v2')).digest).toBe(digest);
    await expectIn(layout, digest, arm64);
    for (const blob of [...amd64.blobs, ...arm64.blobs]) {
      expect(await layout.blobSize(sha256(blob) as never)).toBe(blob.length);
    }
    const again = await cli.run(['push', '--to', 'oci:made:v1']);
    expect([again.code, again.stderr]).toEqual([
      0,
      expect.stringMatching(/^unchanged oci:made:v1 already refers to /m),
    ]);
  });

  test('an OCI archive, with the same bytes every time', async () => {
    const cli = await drafted();
    const digest = await cli.must('push', '--to', 'oci-archive:one.tar:v1');
    await cli.must('push', '--to', 'oci-archive:two.tar:v1');
    const [one, two] = await Promise.all(['one.tar', 'two.tar'].map((name) => readFile(join(cli.folder, name))));
    expect(one!.equals(two!)).toBe(true);
    const archive = await OciArchive.open(join(cli.folder, 'one.tar'));
    await expectIn(archive, digest, arm64);
    await archive.close();
    const before = await stat(join(cli.folder, 'one.tar'));
    expect((await cli.run(['push', '--to', 'oci-archive:one.tar:v1'])).stderr).toMatch(/^unchanged /m);
    expect((await stat(join(cli.folder, 'one.tar'))).ino).toBe(before.ino);
    expect((await readdir(cli.folder)).filter((name) => name.startsWith('.') && name !== '.local')).toEqual([]);
  });

  test('an archive for docker load, if the list has one image', async () => {
    const cli = await builds();
    await cli.must('create', `${registry.host}/team/written:v2`, 'oci-archive:out/arm64.tar');
    await cli.must('push', '--to', 'oci-archive:one.tar:v2');
    const tar = await TarFile.open(join(cli.folder, 'one.tar'));
    const list = JSON.parse(Buffer.from((await tar.bytes('manifest.json', 10_000))!).toString()) as object[];
    expect(list).toMatchObject([{ RepoTags: [`${registry.host}/team/written:v2`] }]);
    await tar.close();
  });

  test('nothing if the target already has the list, and reports that even if another target fails', async () => {
    const cli = await drafted();
    const digest = await cli.must('push', '--to', 'oci:one:v1');
    const gone = await startRegistry();
    await gone.close();
    const push = ['push', '--to', 'oci:one:v1', '--to', `${gone.host}/a:v1`, '--to', 'oci:two:v1'];
    const result = await cli.run(push);
    expect(result).toMatchObject({ code: 7, stdout: '' });
    expect(result.stderr).toContain(`unchanged oci:one:v1 already refers to ${digest}\n`);
    expect(result.stderr).toContain(`pushed oci:two:v1 ${digest}\n`);
    expect(result.stderr).toContain(`${gone.host} refused the connection`);
    const events = (await cli.run([...push, '--json'])).stderr.split('\n').filter((line) => line.includes('unchanged'));
    expect(events.map((line) => JSON.parse(line) as unknown)).toEqual(
      ['oci:one:v1', 'oci:two:v1'].map((ref) => ({ type: 'unchanged', ref, digest })),
    );
  });

  test('not into an archive of docker save, which stays unchanged', async () => {
    const cli = await drafted();
    const before = await readFile(join(cli.folder, 'out/riscv64.tar'));
    const { code, stderr } = await cli.run(['push', '--to', 'oci-archive:out/riscv64.tar:v1']);
    expect([code, stderr]).toEqual([3, expect.stringMatching(/not an OCI archive[^]*hint: Write to another file/)]);
    expect((await readFile(join(cli.folder, 'out/riscv64.tar'))).equals(before)).toBe(true);
  });

  test('from one layout into another, and into the same one', async () => {
    const cli = await builds();
    await cli.must('create', 'x.io/a:v1', 'oci:out/amd64');
    const digest = await cli.must('push', '--to', 'oci:out/amd64:list');
    expect(await cli.must('digest', 'oci:out/amd64:list')).toBe(digest);
    expect(await cli.must('digest', 'oci:out/amd64:v1')).toBe(amd64.digest);
  });

  test('from an archive into the same one', async () => {
    const cli = await builds();
    await cli.must('create', 'x.io/a:v1', 'oci-archive:out/arm64.tar:v1');
    const digest = await cli.must('push', '--to', 'oci-archive:out/arm64.tar:list');
    expect(await cli.must('digest', 'oci-archive:out/arm64.tar:list')).toBe(digest);
    expect(await cli.must('digest', 'oci-archive:out/arm64.tar:v1')).toBe(arm64.digest);
    expect(await cli.must('inspect', `oci-archive:out/arm64.tar@${arm64.digest}`)).toBe(arm64.bytes.toString());
  });

  test('nothing in a dry run', async () => {
    const cli = await drafted();
    const before = await readdir(cli.folder);
    const { code, stderr } = await cli.run([
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
    expect(await readdir(cli.folder)).toEqual(before);
  });

  test('never a docker archive', async () => {
    const cli = await drafted();
    const { code, stderr } = await cli.run(['push', '--to', 'docker-archive:new.tar:v1']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /cannot write docker-archive:new.tar: docker archives can only be read[^]*oci-archive:FILE/,
      ),
    ]);
  });

  test('a list in a registry completely into an archive', async () => {
    const cli = await CliHarness.make();
    await pushImage(registry.url, 'team/remote', 'amd64', amd64);
    await pushImage(registry.url, 'team/remote', 'arm64', arm64);
    const [one, two] = ['amd64', 'arm64'].map((tag) => `${registry.host}/team/remote:${tag}`);
    await cli.must('create', `${registry.host}/team/remote:v1`, one!, two!);
    const digest = await cli.must('push', '--to', 'oci-archive:remote.tar:v1');
    const archive = await OciArchive.open(join(cli.folder, 'remote.tar'));
    await expectIn(archive, digest, arm64);
    await archive.close();
  });
});

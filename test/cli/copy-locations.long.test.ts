import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { OciArchive } from '../../src/store/archive/oci-archive.ts';
import { TarFile } from '../../src/store/archive/tar/tar-file.ts';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { chunksOf } from '../store/samples.ts';
import { entryOf, getManifest, makeImage, makeIndex, putManifest, sha256, type Image } from '../support/images.ts';
import { putDocument } from '../support/layouts.ts';
import { pairsOf } from '../support/long.ts';
import { CliHarness } from '../support/cli-harness.ts';
import {
  expectWhole,
  fresh,
  images,
  list,
  other,
  platforms,
  registry,
  serveCopyImages,
} from '../support/copy-fixture.ts';

/** Copies between repositories, registries, layouts and archives: the content of the target. */
serveCopyImages();

describe('the copied content', () => {
  test('is the same in a layout, in an archive, and back in a registry', async () => {
    const cli = await CliHarness.make();
    const from = `${registry.host}/team/app:v1`;
    const way = [from, 'oci:there', 'oci-archive:there.tar', 'oci:back:v1', `${other.host}/${fresh()}`];
    for (const [at, target] of way.entries()) {
      if (at === 0) continue;
      expect(await cli.must('copy', way[at - 1]!, target)).toBe(list.digest);
    }
    expect(await cli.must('digest', 'oci:there:v1')).toBe(list.digest);
    expect(await cli.must('digest', 'oci-archive:there.tar:v1')).toBe(list.digest);
    await expectWhole(
      other.url,
      way
        .at(-1)!
        .split(':')
        .at(-1)!
        .replace(/^\d+\//, ''),
      'v1',
    );
  });

  test('of an archive has the same bytes, wherever it was copied from', async () => {
    const cli = await CliHarness.make();
    const from = `${registry.host}/team/app:v1`;
    await cli.must('copy', from, 'oci:layout');
    await cli.must('copy', from, 'oci-archive:one.tar:docker.io/team/app:v1');
    await cli.must('copy', 'oci:layout', 'oci-archive:two.tar:docker.io/team/app:v1');
    await cli.must('copy', 'oci-archive:one.tar', 'oci-archive:three.tar:docker.io/team/app:v1');
    const [one, two, three] = await Promise.all(
      ['one', 'two', 'three'].map((name) => readFile(join(cli.folder, `${name}.tar`))),
    );
    expect([one!.equals(two!), one!.equals(three!)]).toEqual([true, true]);
  });

  test('of one platform can be loaded by docker load, under its own name', async () => {
    const cli = await CliHarness.make();
    await cli.must('copy', `${registry.host}/team/app:v1`, 'oci-archive:arm.tar', '--platform', 'linux/arm64');
    const tar = await TarFile.open(join(cli.folder, 'arm.tar'));
    const [item] = JSON.parse(Buffer.from((await tar.bytes('manifest.json', 10_000))!).toString()) as {
      RepoTags: string[];
      Config: string;
    }[];
    expect(item!.RepoTags).toEqual([`${registry.host}/team/app:v1`]);
    expect(JSON.parse(Buffer.from((await tar.bytes(item!.Config, 10_000))!).toString())).toMatchObject({
      architecture: 'arm64',
    });
    await tar.close();
    expect(await cli.must('resolve', `docker-archive:arm.tar:${registry.host}/team/app:v1`)).toBe(images[1]!.digest);
  });

  test('of a docker archive is the image, with unchanged layers', async () => {
    const cli = await CliHarness.make();
    await cli.must('copy', `${registry.host}/team/app:v1`, 'oci-archive:arm.tar', '--platform', 'linux/arm64');
    const repository = fresh();
    const digest = await cli.must('copy', 'docker-archive:arm.tar', `${other.host}/${repository}`);
    expect(digest).toBe(images[1]!.digest);
    expect((await getManifest(other.url, repository, 'v1'))?.digest).toBe(digest);
  });

  test('gets the tag of the source if the target has no tag', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await cli.must('copy', `${registry.host}/team/app:v1`, `${registry.host}/${repository}`);
    await cli.must('copy', `${registry.host}/team/app@${images[0]!.digest}`, `${registry.host}/${repository}`);
    const response = await fetch(`${registry.url}/v2/${repository}/tags/list`);
    expect(await response.json()).toMatchObject({ tags: ['v1'] });
    expect((await getManifest(registry.url, repository, images[0]!.digest))?.digest).toBe(images[0]!.digest);
  });

  test('must match the digest of the target', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const from = `${registry.host}/team/app:v1`;
    const wrong = await cli.run(['copy', from, `${registry.host}/${repository}:v1@${images[0]!.digest}`]);
    expect([wrong.code, wrong.stderr]).toEqual([
      3,
      expect.stringMatching(/cannot copy to .*: the digest of the content is sha256/),
    ]);
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    await cli.must('copy', from, `${registry.host}/${repository}@${list.digest}`);
    expect((await getManifest(registry.url, repository, list.digest))?.digest).toBe(list.digest);
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
  });

  test('of nested lists is complete', async () => {
    const cli = await CliHarness.make();
    const outer = makeIndex([
      { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length },
      entryOf(images[0]!, platforms[0]),
    ]);
    await putManifest(registry.url, 'team/app', 'nested', outer.mediaType, outer.bytes);
    const repository = fresh();
    await cli.must('copy', `${registry.host}/team/app:nested`, `${other.host}/${repository}:v1`);
    expect((await getManifest(other.url, repository, 'v1'))?.digest).toBe(outer.digest);
    await expectWhole(other.url, repository, list.digest);
    await cli.must('copy', `${other.host}/${repository}:v1`, 'oci-archive:nested.tar');
    const archive = await OciArchive.open(join(cli.folder, 'nested.tar'));
    expect((await archive.fetchManifest(images[4]!.digest)).descriptor.digest).toBe(images[4]!.digest);
    await archive.close();
  });

  test('of a single image is copied with --platform only if the platform matches', async () => {
    const cli = await CliHarness.make();
    const from = `${registry.host}/team/app@${images[1]!.digest}`;
    expect(await cli.must('copy', from, `${other.host}/${fresh()}:v1`, '--platform', 'linux/arm64')).toBe(
      images[1]!.digest,
    );
    const { code, stderr } = await cli.run(['copy', from, `${other.host}/${fresh()}:v1`, '--platform', 'linux/amd64']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/no image for linux\/amd64[^]*Available: linux\/arm64\/v8/),
    ]);
  });
});

describe('a non-distributable layer', () => {
  const far = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    size: 3,
    digest: sha256(Buffer.from('far')),
  };
  const windows = (layer: object): Image => {
    const options = { salt: 'windows', platform: { os: 'windows', architecture: 'amd64' } };
    const { layers } = JSON.parse(makeImage(options).bytes.toString()) as { layers: object[] };
    return makeImage({ ...options, manifest: { layers: [layer, ...layers] } });
  };
  const layoutOf = async (cli: CliHarness, image: Image, more: readonly Buffer[] = []): Promise<void> => {
    const layout = await openLayout(join(cli.folder, 'windows'), { create: true });
    for (const blob of [...image.blobs, ...more]) {
      await layout.putBlob({ mediaType: '', digest: sha256(blob) as never, size: blob.length }, () => chunksOf(blob));
    }
    await putDocument(layout, image, 'v1');
  };

  test('is not copied if it has urls, with a note', async () => {
    const cli = await CliHarness.make();
    await layoutOf(cli, windows({ ...far, urls: ['https://example.com/far'] }));
    const copied = await cli.json<{ left: object[] }>('copy', 'oci:windows', 'oci-archive:windows.tar');
    expect(copied.left).toEqual([
      { what: 'layer', digest: far.digest, reason: 'it is stored at https://example.com/far' },
    ]);
  });

  test('is copied if it has no urls', async () => {
    const cli = await CliHarness.make();
    await layoutOf(cli, windows(far), [Buffer.from('far')]);
    const repository = fresh();
    const copied = await cli.json<{ left: object[] }>('copy', 'oci:windows', `${other.host}/${repository}`);
    expect(copied.left).toEqual([]);
    expect((await fetch(`${other.url}/v2/${repository}/blobs/${far.digest}`)).status).toBe(200);
  });
});

describe('copies between all kinds of locations', () => {
  const image = images[1]!;
  const sources = {
    'a registry': () => Promise.resolve(`${registry.host}/team/app:v1`),
    'a layout': async (cli: CliHarness) => {
      await cli.must('copy', `${registry.host}/team/app:v1`, 'oci:from:v1');
      return 'oci:from:v1';
    },
    'an OCI archive': async (cli: CliHarness) => {
      await cli.must('copy', `${registry.host}/team/app:v1`, 'oci-archive:from.tar:v1');
      return 'oci-archive:from.tar:v1';
    },
    'a docker archive': async (cli: CliHarness) => {
      const from = `${registry.host}/team/app@${image.digest}`;
      await cli.must('copy', from, 'oci-archive:docker.tar:docker.io/team/app:v1');
      return 'docker-archive:docker.tar:team/app:v1';
    },
  };
  const targets = {
    'the registry': () => `${registry.host}/${fresh()}:v1`,
    'another registry': () => `${other.host}/${fresh()}:v1`,
    'a layout': () => 'oci:to:v1',
    'an OCI archive': () => 'oci-archive:to.tar:v1',
    'itself, under another name': (from: string) => from.replace(/:[^:]*$/, ':v2'),
  };
  const pairs = pairsOf(Object.keys(sources), Object.keys(targets));

  test.each(pairs.filter(([from, to]) => from !== 'a docker archive' || !to.startsWith('itself')))(
    'from %s to %s',
    async (from, to) => {
      const cli = await CliHarness.make();
      const source = await sources[from as keyof typeof sources](cli);
      const target = targets[to as keyof typeof targets](source);
      const digest = await cli.must('copy', source, target);
      expect(digest).toBe(from === 'a docker archive' ? image.digest : list.digest);
      expect(await cli.must('digest', target)).toBe(digest);
      expect(await cli.must('digest', source)).toBe(digest);
      const again = await cli.run(['copy', source, target]);
      expect([again.code, again.stdout.trim()]).toEqual([0, digest]);
      const repository = fresh();
      await cli.must('copy', target, `${other.host}/${repository}:whole`);
      const served = await getManifest(other.url, repository, 'whole');
      expect(sha256(served!.bytes)).toBe(digest);
      if (digest === list.digest) await expectWhole(other.url, repository, 'whole');
    },
  );
});

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openDockerArchive } from '../../../src/store/archive/docker-archive.ts';
import { OciArchive } from '../../../src/store/archive/oci-archive.ts';
import { writeArchive } from '../../../src/store/archive/write-archive.ts';
import { openLayout } from '../../../src/store/layout/open-layout.ts';
import type { ContentReader } from '../../../src/store/store.ts';
import { startRegistry } from '../../../src/server/start-registry.ts';
import { describeWith, runProgram } from '../../support/programs.ts';
import { blobOf, bytesOf, putUnpackableList, withFolder } from '../samples.ts';

/** Tests with other tools that read and write archives, if they are installed. */

const copy = ['copy', '--insecure-policy', '--preserve-digests'];

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly mediaType: string }[];
}

async function manifestOf(store: ContentReader, name: string): Promise<Manifest> {
  return JSON.parse(Buffer.from((await store.fetchManifest(name)).bytes).toString()) as Manifest;
}

/** Writes an archive with a list of two images, and another one with the first image only. */
async function written(
  folder: string,
): Promise<{ readonly list: string; readonly single: string; readonly first: string }> {
  const [list, single] = [join(folder, 'list.tar'), join(folder, 'single.tar')];
  const { images } = await writeArchive(list, {}, (target) => putUnpackableList(target, 'v1'));
  const [first] = images;
  const imageName = (tag: string): string => `registry.example/team/app:${tag}`;
  await writeArchive(single, { imageName }, async (target) => {
    for (const { descriptor, bytes } of [first!.config, ...first!.layers]) {
      await target.putBlob(descriptor, () => bytesInOne(bytes));
    }
    await target.putManifest(first!.manifest, 'v1');
  });
  return { list, single, first: first!.manifest.descriptor.digest };
}

async function* bytesInOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

describeWith('skopeo', 'archives and another tool', () => {
  test('reads an OCI archive of mlist', () =>
    withFolder(async (folder) => {
      const { list } = await written(folder);
      const ours = await OciArchive.open(list);
      const raw = await runProgram('skopeo', 'inspect', '--raw', `oci-archive:${list}:v1`);
      expect(raw).toBe(Buffer.from((await ours.fetchManifest('v1')).bytes).toString());
      const dir = join(folder, 'dir');
      await runProgram('skopeo', ...copy, '--all', `oci-archive:${list}:v1`, `oci:${dir}:v1`);
      expect(await (await openLayout(dir)).fetchManifest('v1')).toEqual(await ours.fetchManifest('v1'));
      await ours.close();
    }));

  test('writes an OCI archive that mlist reads', () =>
    withFolder(async (folder) => {
      const { list } = await written(folder);
      const theirs = join(folder, 'theirs.tar');
      await runProgram(
        'skopeo',
        ...copy,
        '--all',
        `oci-archive:${list}:v1`,
        `oci-archive:${theirs}:docker.io/library/a:v1`,
      );
      const [ours, read] = [await OciArchive.open(list), await OciArchive.open(theirs)];
      const { descriptor } = await read.resolveRef('a:v1');
      expect(await read.fetchManifest(descriptor.digest)).toEqual(await ours.fetchManifest('v1'));
      expect((await read.resolveRef()).descriptor).toEqual(descriptor);
      await Promise.all([ours.close(), read.close()]);
    }));

  test('reads an OCI archive with one image as a docker archive', () =>
    withFolder(async (folder) => {
      const { single, first } = await written(folder);
      const dir = join(folder, 'dir');
      await runProgram(
        'skopeo',
        ...copy.slice(0, 2),
        `docker-archive:${single}:registry.example/team/app:v1`,
        `oci:${dir}:v1`,
      );
      const ours = await OciArchive.open(single);
      const [mine, theirs] = [await manifestOf(ours, first), await manifestOf(await openLayout(dir), 'v1')];
      expect(theirs.layers).toHaveLength(mine.layers.length);
      expect(await runProgram('skopeo', 'inspect', '--config', `docker-archive:${single}`)).toContain('"amd64"');
      await ours.close();
    }));

  test('writes a docker archive that mlist reads', () =>
    withFolder(async (folder) => {
      const { single } = await written(folder);
      const theirs = join(folder, 'theirs.tar');
      await runProgram('skopeo', ...copy.slice(0, 2), `oci-archive:${single}:v1`, `docker-archive:${theirs}:a:v1`);
      const archive = await openDockerArchive(theirs);
      const { descriptor, ref } = await archive.resolveRef('a:v1');
      expect(ref).toBe('docker.io/library/a:v1');
      const { layers, config } = await manifestOf(archive, descriptor.digest);
      const { rootfs } = JSON.parse(
        (
          await bytesOf(
            archive.readBlob({
              ...descriptor,
              digest: config.digest as never,
              size: await sizeOf(archive, descriptor.digest),
            }),
          )
        ).toString(),
      ) as { rootfs: { diff_ids: string[] } };
      expect(layers.map(({ digest }) => digest)).toEqual(rootfs.diff_ids);
      for (const layer of layers) {
        const bytes = await bytesOf(archive.readBlob(layer as never));
        expect(blobOf(bytes).descriptor.digest).toBe(layer.digest);
      }
      await archive.close();
    }));
});

async function sizeOf(store: ContentReader, digest: string): Promise<number> {
  return ((await manifestOf(store, digest)).config as unknown as { size: number }).size;
}

describeWith('crane', 'archives and another tool', () => {
  test('pushes an archive of mlist with one image, and writes one that mlist reads', () =>
    withFolder(async (folder) => {
      const { single, first } = await written(folder);
      const registry = await startRegistry();
      try {
        await runProgram('crane', 'push', '--insecure', single, `${registry.host}/team/app:v1`);
        const theirs = join(folder, 'theirs.tar');
        await runProgram('crane', 'pull', '--insecure', `${registry.host}/team/app:v1`, theirs);
        const [archive, ours] = [await openDockerArchive(theirs), await OciArchive.open(single)];
        const { descriptor } = await archive.resolveRef();
        const [mine, read] = [await manifestOf(ours, first), await manifestOf(archive, descriptor.digest)];
        expect(read.config.digest).toBe(mine.config.digest);
        expect(read.layers.map(({ digest }) => digest)).toEqual(mine.layers.map(({ digest }) => digest));
        expect(read.layers[0]?.mediaType).toMatch(/tar\+gzip$/);
        await Promise.all([archive.close(), ours.close()]);
      } finally {
        await registry.close();
      }
    }));
});

describeWith('oras', 'archives and another tool', () => {
  test('reads an OCI archive of mlist', () =>
    withFolder(async (folder) => {
      const { list } = await written(folder);
      const ours = await OciArchive.open(list);
      const fetched = await runProgram('oras', 'manifest', 'fetch', '--oci-layout', `${list}:v1`);
      expect(fetched).toBe(Buffer.from((await ours.fetchManifest('v1')).bytes).toString());
      await ours.close();
    }));
});

describeWith('buildah', 'archives and another tool', () => {
  test('pulls an archive of mlist, and pushes one that mlist reads', () =>
    withFolder(async (folder) => {
      const { single, first } = await written(folder);
      const [oci, docker] = [join(folder, 'oci.tar'), join(folder, 'docker.tar')];
      const place = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
      const policy = ['--signature-policy', join(folder, 'policy.json')];
      await writeFile(join(folder, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
      const id = (await runProgram('buildah', ...place, 'pull', ...policy, '-q', `oci-archive:${single}:v1`)).trim();
      await runProgram('buildah', ...place, 'push', ...policy, '-q', id, `oci-archive:${oci}:v1`);
      await runProgram('buildah', ...place, 'push', ...policy, '-q', id, `docker-archive:${docker}:app:v1`);
      const [ours, theirs, loaded] = [
        await OciArchive.open(single),
        await OciArchive.open(oci),
        await openDockerArchive(docker),
      ];
      const mine = await manifestOf(ours, first);
      expect((await manifestOf(theirs, 'v1')).config.digest).toBe(mine.config.digest);
      const { descriptor } = await loaded.resolveRef('app:v1');
      expect((await manifestOf(loaded, descriptor.digest)).layers).toHaveLength(mine.layers.length);
      await Promise.all([ours.close(), theirs.close(), loaded.close()]);
    }));
});

describeWith('tar', 'archives and tar(1)', () => {
  test('lists an archive of mlist, and unpacks it to a layout', () =>
    withFolder(async (folder) => {
      const { list } = await written(folder);
      const names = (await runProgram('tar', '-tf', list)).trim().split('\n');
      expect(names.at(0)).toBe('oci-layout');
      expect(names.at(-1)).toBe('index.json');
      await runProgram('tar', '-xf', list, '-C', folder);
      const archive = await OciArchive.open(list);
      expect(await (await openLayout(folder)).fetchManifest('v1')).toEqual(await archive.fetchManifest('v1'));
      await archive.close();
      const packed = join(folder, 'packed.tar');
      await runProgram('tar', '-C', folder, '-cf', packed, './oci-layout', './index.json', './blobs');
      const again = await OciArchive.open(packed);
      expect((await again.resolveRef('v1')).ref).toBe('v1');
      await again.close();
      expect((await readFile(list)).length % 512).toBe(0);
    }));
});

import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { OciArchive } from '../../../src/store/archive/oci-archive.ts';
import type { ArchiveTarget } from '../../../src/store/archive/archive-target.ts';
import { TarFile } from '../../../src/store/archive/tar/tar-file.ts';
import { writeArchive } from '../../../src/store/archive/write-archive.ts';
import type { ManifestContent } from '../../../src/store/store.ts';
import { blobOf, bytesOf, chunksOf, collect, contentOf, imageOf, indexOf, withFolder, type Image } from '../samples.ts';
import { imageName, refName } from './layout-tar.ts';

async function putImage(target: ArchiveTarget, image: Image, name: string): Promise<void> {
  await Promise.all(
    [image.config, ...image.layers].map(({ descriptor, bytes }) =>
      target.putBlob(descriptor, () => chunksOf(bytes, 7)),
    ),
  );
  await target.putManifest(image.manifest, name);
}

async function putList(
  target: ArchiveTarget,
  list: ManifestContent,
  images: readonly Image[],
  tag: string,
): Promise<void> {
  await Promise.all(images.map((image) => putImage(target, image, image.manifest.descriptor.digest)));
  await target.putManifest(list, tag);
}

function withArchive<T>(path: string, work: (archive: OciArchive) => Promise<T>): Promise<T> {
  return OciArchive.open(path).then(async (archive) => {
    try {
      return await work(archive);
    } finally {
      await archive.close();
    }
  });
}

async function namesIn(path: string): Promise<readonly string[]> {
  const tar = await TarFile.open(path);
  const names = [...tar.names()];
  await tar.close();
  return names;
}

async function jsonIn(path: string, name: string): Promise<unknown> {
  const tar = await TarFile.open(path);
  const bytes = await tar.bytes(name, 100_000);
  await tar.close();
  return bytes && JSON.parse(Buffer.from(bytes).toString());
}

const one = imageOf('a');
const two = imageOf('b');
const list = indexOf([one.manifest.descriptor, two.manifest.descriptor]);
const inFull = (tag: string) => `docker.io/team/app:${tag}`;
const never = (): AsyncIterable<Uint8Array> => {
  throw new Error('the bytes were asked for');
};

describe('content that was put', () => {
  test('is read back, in a fixed order, without other files in the folder', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, {}, (target) => putList(target, list, [one, two], 'v1'));
      await withArchive(path, async (archive) => {
        expect(await archive.fetchManifest('v1')).toEqual(list);
        for (const image of [one, two]) {
          expect(await archive.fetchManifest(image.manifest.descriptor.digest)).toEqual(image.manifest);
          for (const { descriptor, bytes } of [image.config, ...image.layers]) {
            expect(await bytesOf(archive.readBlob(descriptor))).toEqual(bytes);
          }
        }
      });
      const blob = ({ descriptor }: ManifestContent) => `blobs/${descriptor.digest.replace(':', '/')}`;
      expect(await namesIn(path)).toEqual([
        'oci-layout',
        ...[one.config, ...one.layers, two.config, ...two.layers].map(blob),
        ...[one.manifest, two.manifest, list].map(blob).sort(),
        'index.json',
      ]);
      expect(await jsonIn(path, 'index.json')).toMatchObject({
        manifests: [{ ...list.descriptor, annotations: { [refName]: 'v1' } }],
      });
      expect(await readdir(folder)).toEqual(['a.tar']);
    }));

  test('gives the same bytes every time', () =>
    withFolder(async (folder) => {
      const paths = ['a.tar', 'b.tar'].map((name) => join(folder, name));
      for (const path of paths) {
        await writeArchive(path, { imageName: inFull }, (target) => putList(target, list, [one, two], 'v1'));
      }
      const [first, second] = await Promise.all(paths.map((path) => readFile(path)));
      expect(first!.equals(second!)).toBe(true);
    }));

  test('may be an untagged manifest, and children get no entry', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, {}, (target) => putList(target, list, [one, two], list.descriptor.digest));
      await withArchive(path, async (archive) => {
        expect((await archive.resolveRef()).descriptor).toEqual(list.descriptor);
        expect(await archive.entries()).toHaveLength(1);
      });
    }));

  test('is read once: existing blobs are not read again', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      const [layer] = one.layers;
      await writeArchive(path, {}, async (target) => {
        await putImage(target, one, 'v1');
        await target.putBlob(layer!.descriptor, never);
        expect(await target.hasBlob(layer!.descriptor)).toBe(true);
        expect(await target.hasManifest(one.manifest.descriptor.digest)).toBe(true);
      });
      await writeArchive(path, {}, async (target) => {
        expect(await target.resolve('v1')).toEqual(one.manifest.descriptor);
        await target.putBlob(layer!.descriptor, never);
      });
      expect((await namesIn(path)).filter((name) => name.includes(layer!.descriptor.digest.slice(7)))).toHaveLength(1);
    }));

  test.each([
    ['other bytes', Buffer.from('layer of B')],
    ['too few bytes', Buffer.from('layer')],
    ['too many bytes', Buffer.from('layer of a and more')],
  ])('is refused with %s, and not added', (_, bytes) =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      const [layer] = one.layers;
      await writeArchive(path, {}, async (target) => {
        const put = target.putBlob(layer!.descriptor, () => chunksOf(bytes));
        await expect(put).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        await putImage(target, one, 'v1');
      });
      await withArchive(path, async (archive) => {
        expect(await bytesOf(archive.readBlob(layer!.descriptor))).toEqual(layer!.bytes);
      });
    }),
  );

  test('is refused with a wrong digest', () =>
    withFolder((folder) =>
      writeArchive(join(folder, 'a.tar'), {}, async (target) => {
        const wrong = { ...one.manifest, bytes: two.manifest.bytes };
        await expect(target.putManifest(wrong, 'v1')).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        const elsewhere = target.putManifest(one.manifest, two.manifest.descriptor.digest);
        await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
      }),
    ));
});

describe('an existing archive', () => {
  test('keeps its other images, and loses unlisted content', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, {}, (target) => putImage(target, one, 'v1'));
      await writeArchive(path, {}, (target) => putImage(target, two, 'v2'));
      await withArchive(path, async (archive) => {
        expect(await collect(archive.tags())).toEqual(['v1', 'v2']);
        expect(await bytesOf(archive.readBlob(one.layers[0]!.descriptor))).toEqual(one.layers[0]!.bytes);
      });
      const third = imageOf('c');
      await writeArchive(path, {}, (target) => putImage(target, third, 'v1'));
      await withArchive(path, async (archive) => {
        expect((await archive.resolve('v1')).digest).toBe(third.manifest.descriptor.digest);
        expect(archive.hasBlob(one.layers[0]!.descriptor)).toBe(false);
        expect(archive.hasBlob(two.layers[0]!.descriptor)).toBe(true);
      });
    }));

  test('provides the blobs of a list of its images', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, {}, async (target) => {
        await putImage(target, one, 'one');
        await putImage(target, two, 'two');
      });
      await writeArchive(path, {}, (target) => target.putManifest(list, 'one'));
      await withArchive(path, async (archive) => {
        expect(await archive.fetchManifest('one')).toEqual(list);
        expect(await archive.fetchManifest(one.manifest.descriptor.digest)).toEqual(one.manifest);
        expect(await bytesOf(archive.readBlob(one.layers[0]!.descriptor))).toEqual(one.layers[0]!.bytes);
      });
    }));

  test('is unchanged if the work fails, without other files in the folder', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, {}, (target) => putImage(target, one, 'v1'));
      const before = await readFile(path);
      const failing = writeArchive(path, {}, async (target) => {
        await putImage(target, two, 'v1');
        throw new Error('enough');
      });
      await expect(failing).rejects.toThrow('enough');
      expect((await readFile(path)).equals(before)).toBe(true);
      expect(await readdir(folder)).toEqual(['a.tar']);
    }));

  test('is unchanged if nothing is put', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, {}, (target) => putImage(target, one, 'v1'));
      const before = await stat(path);
      await writeArchive(path, {}, () => Promise.resolve());
      expect((await stat(path)).ino).toBe(before.ino);
      await writeArchive(join(folder, 'b.tar'), {}, () => Promise.resolve());
      expect(await readdir(folder)).toEqual(['a.tar']);
    }));

  test('has one writer at a time, and no image is lost', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      const images = Array.from({ length: 8 }, (_, at) => imageOf(`image ${at}`));
      await Promise.all(
        images.map((image, at) => writeArchive(path, {}, (target) => putImage(target, image, `v${at}`))),
      );
      await withArchive(path, async (archive) => {
        expect((await collect(archive.tags())).sort()).toEqual(images.map((_, at) => `v${at}`));
      });
    }));

  test.each<[string, Buffer, RegExp]>([
    ['is not an archive', Buffer.from('precious text'.repeat(100)), /cannot read the archive/],
    ['is another kind of archive', Buffer.alloc(1024), /no oci-layout/],
  ])('that %s is not overwritten', (_, bytes, reason) =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeFile(path, bytes);
      await expect(writeArchive(path, {}, (target) => putImage(target, one, 'v1'))).rejects.toThrow(reason);
      expect((await readFile(path)).equals(bytes)).toBe(true);
    }),
  );

  test('that is compressed is refused', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, {}, (target) => putImage(target, one, 'v1'));
      await writeFile(path, gzipSync(await readFile(path)));
      await expect(writeArchive(path, {}, (target) => putImage(target, two, 'v2'))).rejects.toMatchObject({
        code: 'ERR_MLIST_USAGE',
      });
    }));

  const links = process.platform === 'win32' ? test.skip : test;
  links('behind a link is replaced at the target of the link', () =>
    withFolder(async (folder) => {
      const [real, link] = [join(folder, 'real', 'a.tar'), join(folder, 'link.tar')];
      await mkdir(join(folder, 'real'));
      await writeArchive(real, {}, (target) => putImage(target, one, 'v1'));
      await symlink(real, link);
      await writeArchive(link, {}, (target) => putImage(target, two, 'v2'));
      await withArchive(real, async (archive) => expect(await collect(archive.tags())).toEqual(['v1', 'v2']));
      expect((await readdir(folder)).sort()).toEqual(['link.tar', 'real']);
    }),
  );

  links('behind a link that leads to a missing file is created at its target', () =>
    withFolder(async (folder) => {
      const [real, link] = [join(folder, 'real.tar'), join(folder, 'link.tar')];
      await symlink('real.tar', link);
      await writeArchive(link, {}, (target) => putImage(target, one, 'v1'));
      await withArchive(real, async (archive) => expect(await collect(archive.tags())).toEqual(['v1']));
      expect(await readlink(link)).toBe('real.tar');
    }),
  );

  test('in a folder that does not exist is refused', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'none', 'a.tar');
      await expect(writeArchive(path, {}, () => Promise.resolve())).rejects.toThrow(/there is no folder .*none$/);
    }));
});

test('a tag moves only from the expected digest', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'a.tar');
    await writeArchive(path, {}, (target) => putImage(target, one, 'v1'));
    await writeArchive(path, {}, async (target) => {
      const ifMatch = two.manifest.descriptor.digest;
      const moved = target.putManifest(two.manifest, 'v1', { ifMatch });
      await expect(moved).rejects.toMatchObject({ code: 'ERR_MLIST_CONFLICT' });
      const again = target.putManifest(two.manifest, 'v1', { ifMatch: 'absent' });
      await expect(again).rejects.toMatchObject({ code: 'ERR_MLIST_CONFLICT' });
      await target.putManifest(one.manifest, 'v1', { ifMatch: one.manifest.descriptor.digest });
    });
  }));

describe('manifest.json for docker', () => {
  const blob = ({ descriptor }: ManifestContent) => `blobs/${descriptor.digest.replace(':', '/')}`;
  const expected = (image: Image, tags: readonly string[] | null) => [
    { Config: blob(image.config), RepoTags: tags, Layers: image.layers.map(blob) },
  ];
  const withAttestation = indexOf([
    one.manifest.descriptor,
    { ...two.manifest.descriptor, annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } },
  ]);
  const linux = { os: 'linux', architecture: 'amd64' };
  const withPlatforms = indexOf([
    { ...one.manifest.descriptor, platform: { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.1' } },
    { ...two.manifest.descriptor, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
  ]);
  const samePlatform = indexOf([one, two].map(({ manifest }) => ({ ...manifest.descriptor, platform: linux })));
  const signature = imageOf('s', {
    layers: [blobOf('signature', 'application/vnd.dev.cosign.simplesigning.v1+json').descriptor],
  });

  test.each<[string, (target: ArchiveTarget) => Promise<void>, unknown]>([
    [
      'is written for one image, with its names',
      (target) => putImage(target, one, 'v1'),
      expected(one, ['team/app:v1']),
    ],
    [
      'is there for one image under two names',
      async (target) => {
        await putImage(target, one, 'v1');
        await target.putManifest(one.manifest, 'v2');
      },
      expected(one, ['team/app:v1', 'team/app:v2']),
    ],
    [
      'is there for an image without a name',
      (target) => putImage(target, one, one.manifest.descriptor.digest),
      expected(one, null),
    ],
    [
      'is there for a list of one image, whose attestations do not count',
      (target) => putList(target, withAttestation, [one, two], 'v1'),
      expected(one, ['team/app:v1']),
    ],
    [
      'is there beside a signature',
      async (target) => {
        await putImage(target, one, 'v1');
        await target.putManifest(signature.manifest, 'sha256-0.sig');
      },
      expected(one, ['team/app:v1']),
    ],
    [
      'names the images of a list by their platforms; Windows is the last',
      (target) => putList(target, withPlatforms, [one, two], 'v1'),
      [
        ...expected(two, ['docker.io/team/app:v1-linux-arm-v7']),
        ...expected(one, ['docker.io/team/app:v1-windows-amd64']),
      ],
    ],
    [
      'names images that have their own names, in full',
      async (target) => {
        await putImage(target, one, 'v1');
        await putImage(target, two, 'v2');
      },
      [...expected(one, ['docker.io/team/app:v1']), ...expected(two, ['docker.io/team/app:v2'])],
    ],
    [
      'gives a tag to one image only',
      (target) => putList(target, samePlatform, [one, two], 'v1'),
      expected(one, ['docker.io/team/app:v1-linux-amd64']),
    ],
    ['is not written for a list without platforms', (target) => putList(target, list, [one, two], 'v1'), undefined],
    ['is not written for a signature', (target) => target.putManifest(signature.manifest, 'v1'), undefined],
  ])('%s', (_, put, list) =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, { imageName: inFull }, put);
      expect(await jsonIn(path, 'manifest.json')).toEqual(list);
    }),
  );

  test('the index has the full name for engines that read it', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'a.tar');
      await writeArchive(path, { imageName: inFull }, (target) => putImage(target, one, 'v1'));
      expect(await jsonIn(path, 'index.json')).toMatchObject({
        manifests: [{ annotations: { [imageName]: 'docker.io/team/app:v1', [refName]: 'v1' } }],
      });
    }));
});

test('sha512 digests, whose names are too long for a plain header', () =>
  withFolder(async (folder) => {
    const { asSha512 } = await import('../samples.ts');
    const layer = asSha512(blobOf('a layer'));
    const manifest = contentOf(
      one.manifest.descriptor.mediaType,
      JSON.stringify({
        schemaVersion: 2,
        mediaType: one.manifest.descriptor.mediaType,
        config: one.config.descriptor,
        layers: [layer.descriptor],
      }),
    );
    const path = join(folder, 'a.tar');
    await writeArchive(path, {}, async (target) => {
      for (const { descriptor, bytes } of [one.config, layer]) await target.putBlob(descriptor, () => chunksOf(bytes));
      await target.putManifest(manifest, 'v1');
    });
    await withArchive(path, async (archive) => {
      expect(await bytesOf(archive.readBlob(layer.descriptor))).toEqual(layer.bytes);
    });
  }));

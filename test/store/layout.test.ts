import { mkdir, readdir, readFile, rename, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { build } from 'esbuild';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { formatIndex, indexBytes, parseIndex } from '../../src/store/layout/index-document.ts';
import type { Layout } from '../../src/store/layout/layout.ts';
import type { ManifestContent } from '../../src/store/store.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import { describeStoreContract } from './store-contract.ts';
import { runProgram } from '../support/programs.ts';
import { asSha512, blobOf, bytesOf, chunksOf, collect, imageOf, indexOf, withFolder, type Image } from './samples.ts';

const refName = 'org.opencontainers.image.ref.name';
const symlinks = process.platform === 'win32' ? test.skip : test;

function withLayout(work: (layout: Layout, dir: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const dir = join(folder, 'layout');
    await work(await openLayout(dir, { create: true }), dir);
  });
}

function blobPath(dir: string, { digest }: Pick<Descriptor, 'digest'>): string {
  return join(dir, 'blobs', ...digest.split(':'));
}

async function indexIn(dir: string): Promise<{ readonly manifests: readonly Record<string, unknown>[] }> {
  return JSON.parse(await readFile(join(dir, 'index.json'), 'utf8')) as { manifests: Record<string, unknown>[] };
}

async function putImage(layout: Layout, image: Image, name: string): Promise<void> {
  for (const { descriptor, bytes } of [image.config, ...image.layers]) {
    await layout.putBlob(descriptor, () => chunksOf(bytes));
  }
  await layout.putManifest(image.manifest, name);
}

async function putChild(layout: Layout, child: ManifestContent): Promise<void> {
  await layout.putManifest(child, child.descriptor.digest);
}

describeStoreContract('layout', (work) => withLayout(work));

describe('the files of a layout', () => {
  test('follow image-spec', () =>
    withLayout(async (layout, dir) => {
      const image = imageOf('a');
      await putImage(layout, image, 'v1');
      expect(JSON.parse(await readFile(join(dir, 'oci-layout'), 'utf8'))).toEqual({ imageLayoutVersion: '1.0.0' });
      expect(await indexIn(dir)).toEqual({
        schemaVersion: 2,
        mediaType: MediaType.ociIndex,
        manifests: [{ ...image.manifest.descriptor, annotations: { [refName]: 'v1' } }],
      });
      for (const { descriptor, bytes } of [image.manifest, image.config, ...image.layers]) {
        expect(await readFile(blobPath(dir, descriptor))).toEqual(bytes);
      }
      expect((await readdir(dir)).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
      expect(layout.location).toBe(`oci:${dir}`);
    }));

  test('are read by another instance', () =>
    withLayout(async (layout, dir) => {
      const { manifest } = imageOf('a');
      await layout.putManifest(manifest, 'v1');
      expect(await (await openLayout(dir)).fetchManifest('v1')).toEqual(manifest);
    }));

  test('may have names that are not valid tags', () =>
    withLayout(async (layout) => {
      const { manifest } = imageOf('a');
      for (const name of ['docker.io/library/a:v1', '_1.0', 'a__b']) {
        await layout.putManifest(manifest, name);
        expect((await layout.resolve(name)).digest).toBe(manifest.descriptor.digest);
      }
      for (const name of ['', '../up', 'a b', 'a//b']) {
        await expect(layout.putManifest(manifest, name)).rejects.toMatchObject({ code: 'ERR_MLIST_REFERENCE_INVALID' });
      }
    }));

  test('entries() returns the entries with their annotations', () =>
    withLayout(async (layout) => {
      const [one, two] = [imageOf('a').manifest, imageOf('b').manifest];
      await layout.putManifest(one, 'v1');
      await putChild(layout, two);
      const tagged = { ...one.descriptor, annotations: { [refName]: 'v1' } };
      expect(await layout.entries()).toEqual([tagged, two.descriptor]);
    }));

  test('temporary files of crashed processes are removed after a day', () =>
    withLayout(async (_, dir) => {
      const [old, young] = ['.blob.0123456789abcdef.tmp', '.blob.0123456789abcdee.tmp'];
      for (const name of [old, young]) await writeFile(join(dir, name), 'half');
      const yesterday = new Date(Date.now() - 25 * 60 * 60 * 1000);
      await utimes(join(dir, old), yesterday, yesterday);
      await openLayout(dir, { create: true });
      expect(await readdir(dir)).toContain(young);
      expect(await readdir(dir)).not.toContain(old);
    }));
});

describe('entries without a tag', () => {
  const [one, two] = [imageOf('a').manifest, imageOf('b').manifest];
  const index = indexOf([one.descriptor, two.descriptor]);
  const digests = async (layout: Layout): Promise<readonly string[]> =>
    (await layout.entries()).map(({ digest }) => digest);

  test('are kept for a manifest that is put by digest', () =>
    withLayout(async (layout) => {
      await putChild(layout, one);
      await putChild(layout, one);
      expect(await digests(layout)).toEqual([one.descriptor.digest]);
    }));

  test('are removed when the manifest is tagged', () =>
    withLayout(async (layout) => {
      await putChild(layout, one);
      await layout.putManifest(one, 'v1');
      expect(await digests(layout)).toEqual([one.descriptor.digest]);
    }));

  test('are removed when an index lists the manifest, which is still found', () =>
    withLayout(async (layout) => {
      for (const child of [one, two]) await putChild(layout, child);
      await layout.putManifest(index, 'v1');
      expect(await digests(layout)).toEqual([index.descriptor.digest]);
      expect(await layout.fetchManifest(one.descriptor.digest)).toEqual(one);
      await putChild(layout, one);
      expect(await digests(layout)).toEqual([index.descriptor.digest]);
    }));

  test('are found through an index of indexes', () =>
    withLayout(async (layout) => {
      for (const child of [one, two, index]) await putChild(layout, child);
      const outer = indexOf([index.descriptor]);
      await layout.putManifest(outer, 'v1');
      expect(await digests(layout)).toEqual([outer.descriptor.digest]);
      expect(await layout.hasManifest(two.descriptor.digest)).toBe(true);
    }));

  test('are removed when the tag moves', () =>
    withLayout(async (layout) => {
      await layout.putManifest(one, 'v1');
      await layout.putManifest(two, 'v1');
      expect(await digests(layout)).toEqual([two.descriptor.digest]);
      await layout.untag('v1');
      expect(await digests(layout)).toEqual([]);
    }));

  test('are kept with keepUntagged when a tag moves or is removed, or the index is deleted', () =>
    withLayout(async (_, dir) => {
      const layout = await openLayout(dir, { keepUntagged: true });
      for (const child of [one, two]) await putChild(layout, child);
      await layout.putManifest(index, 'v1');
      await layout.putManifest(one, 'v1');
      expect(await digests(layout)).toEqual([one.descriptor.digest, index.descriptor.digest]);
      await layout.untag('v1');
      expect(await digests(layout)).toEqual([index.descriptor.digest]);
      await layout.deleteManifest(index.descriptor.digest);
      expect(await digests(layout)).toEqual([one.descriptor.digest, two.descriptor.digest]);
    }));

  test('are added for the children of a deleted index that another index lists', () =>
    withLayout(async (_, dir) => {
      const layout = await openLayout(dir, { keepUntagged: true });
      for (const child of [one, two, index]) await putChild(layout, child);
      const outer = indexOf([index.descriptor, one.descriptor]);
      await layout.putManifest(outer, 'v1');
      await layout.deleteManifest(index.descriptor.digest);
      expect(await digests(layout)).toEqual([outer.descriptor.digest, two.descriptor.digest]);
      expect(await layout.missingManifests([one, two, index].map(({ descriptor }) => descriptor.digest))).toEqual([
        index.descriptor.digest,
      ]);
    }));

  test('of other tools are kept if they have further members', () =>
    withLayout(async (layout, dir) => {
      await putChild(layout, one);
      const entry = { ...one.descriptor, platform: { os: 'linux', architecture: 'amd64' } };
      await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
      await layout.putManifest(index, 'v1');
      expect((await indexIn(dir)).manifests[0]).toEqual(entry);
    }));
});

test('a deleted manifest does not exist although an index lists it, until it is put again', () =>
  withLayout(async (layout) => {
    const { manifest } = imageOf('a');
    const { digest } = manifest.descriptor;
    await layout.putManifest(indexOf([manifest.descriptor]), 'v1');
    expect(await layout.hasManifest(digest)).toBe(false);
    await putChild(layout, manifest);
    expect(await layout.hasManifest(digest)).toBe(true);
    await layout.deleteManifest(digest);
    await expect(layout.resolve(digest)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
    await putChild(layout, manifest);
    expect(await layout.fetchManifest(digest)).toEqual(manifest);
  }));

test('deleteBlob refuses a manifest', () =>
  withLayout(async (layout) => {
    const { manifest } = imageOf('a');
    await layout.putManifest(manifest, 'v1');
    const deletion = layout.deleteBlob(manifest.descriptor.digest);
    await expect(deletion).rejects.toMatchObject({ code: 'ERR_MLIST_CONFLICT' });
    expect(await layout.fetchManifest('v1')).toEqual(manifest);
  }));

test('a tag with several manifests is ambiguous', () =>
  withLayout(async (layout, dir) => {
    const [one, two] = [imageOf('a').manifest, imageOf('b').manifest];
    for (const child of [one, two]) await putChild(layout, child);
    const manifests = [one, two].map(({ descriptor }) => ({ ...descriptor, annotations: { [refName]: 'v1' } }));
    await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    await expect(layout.resolve('v1')).rejects.toMatchObject({
      code: 'ERR_MLIST_AMBIGUOUS',
      facts: { candidates: [`oci:${dir}@${one.descriptor.digest}`, `oci:${dir}@${two.descriptor.digest}`] },
    });
    expect(await collect(layout.tags())).toEqual(['v1']);
    await layout.putManifest(two, 'v1');
    expect((await layout.resolve('v1')).digest).toBe(two.descriptor.digest);
  }));

test('index.json of another tool keeps all other members unchanged', () =>
  withLayout(async (layout, dir) => {
    const [one, two] = [imageOf('a').manifest, imageOf('b').manifest];
    await putChild(layout, one);
    const { mediaType, digest, size } = one.descriptor;
    const entry =
      `{"platform":{"os":"linux","architecture":"amd64"},"digest":"${digest}","size":${size},` +
      `"mediaType":"${mediaType}","9":1.0,"1":18446744073709551615,"annotations":{"b":"2","a":"<1>"}}`;
    const before = `{"z":[],"schemaVersion":2,"manifests":[${entry}],"annotations":{"x":"y"}}`;
    await writeFile(join(dir, 'index.json'), before);
    await layout.putManifest(two, 'v2');
    const [head = '', tail = ''] = before.split(`${entry}]`);
    const after = await readFile(join(dir, 'index.json'), 'utf8');
    expect(after.startsWith(`${head}${entry},{`)).toBe(true);
    expect(after.endsWith(`]${tail}`)).toBe(true);
    await layout.untag('v2');
    expect(await readFile(join(dir, 'index.json'), 'utf8')).toBe(before);
  }));

test('the size of an index.json is computed in bytes', () => {
  const { digest, size, mediaType } = imageOf('a').manifest.descriptor;
  const manifests = [{ mediaType, digest, size, annotations: { [refName]: 'v1' } }];
  const index = parseIndex(Buffer.from(JSON.stringify({ schemaVersion: 2, annotations: { ä: '…' }, manifests })));
  expect(indexBytes(index)).toBe(Buffer.byteLength(formatIndex(index)) + 1);
});

describe('a damaged index.json', () => {
  const { manifest } = imageOf('a');
  const { digest } = manifest.descriptor;
  const entry = (members: object): string =>
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest.descriptor, ...members }] });

  test.each([
    ['is empty', '', 'unexpected end of the document'],
    ['is truncated', '{"schemaVersion":2,"manifests":[', 'unexpected end of the document'],
    ['is not an object', '[]', 'not a JSON object'],
    ['has a duplicate member', '{"schemaVersion":2,"manifests":[],"manifests":[]}', '/manifests'],
    ['begins with a byte order mark', '\ufeff{"schemaVersion":2,"manifests":[]}', 'byte order mark'],
    ['is not an index', '{"schemaVersion":2,"manifests":{}}', '"manifests" is not an array'],
    ['has another schema version', '{"schemaVersion":3,"manifests":[]}', '"schemaVersion" is not 2'],
    ['is a manifest', '{"schemaVersion":2,"layers":[]}', 'members of an image manifest'],
    ['has members of two types', '{"schemaVersion":2,"manifests":[],"layers":[]}', '"manifests" as well as'],
    ['has another mediaType', `{"schemaVersion":2,"mediaType":"${MediaType.ociManifest}"}`, 'mediaType'],
    ['has an entry without a size', entry({ size: undefined }), '/manifests/0/size'],
    ['has a negative size', entry({ size: -1 }), '/manifests/0/size'],
    ['has a digest with ..', entry({ digest: 'sha256:../../../etc/passwd' }), '/manifests/0/digest'],
    ['has a digest in capitals', entry({ digest: digest.toUpperCase() }), '/manifests/0/digest'],
    ['has an annotation that is not a string', entry({ annotations: { [refName]: 1 } }), '/manifests/0/annotations'],
    ['is missing', undefined, 'index.json is missing'],
  ])('that %s is reported, and not changed', (_, content, reason) =>
    withLayout(async (layout, dir) => {
      const path = join(dir, 'index.json');
      if (content === undefined) await rm(path);
      else await writeFile(path, content);
      const attempts = [
        () => layout.resolve('v1'),
        () => layout.putManifest(manifest, 'v1'),
        () => layout.untag('v1'),
        () => collect(layout.tags()),
      ];
      for (const attempt of attempts) {
        const error: unknown = await attempt().catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID', facts: { path } });
        expect((error as Error).message).toContain(path);
        expect((error as Error).message).toContain(reason);
      }
      expect(await readFile(path, 'utf8').catch(() => undefined)).toBe(content);
    }),
  );
});

describe('opening', () => {
  test.each<[string, (dir: string) => Promise<unknown>]>([
    ['no folder', () => Promise.resolve()],
    ['an empty folder', (dir) => mkdir(dir)],
    ['a file', (dir) => writeFile(dir, '')],
  ])('%s is not a layout', (_, prepare) =>
    withFolder(async (folder) => {
      const dir = join(folder, 'layout');
      await prepare(dir);
      await expect(openLayout(dir)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND', facts: { path: dir } });
    }),
  );

  test.each([
    ['another version', '{"imageLayoutVersion":"2.0.0"}'],
    ['no version', '{}'],
    ['invalid JSON', 'imageLayoutVersion'],
  ])('refuses an oci-layout file with %s', (_, header) =>
    withLayout(async (_layout, dir) => {
      await writeFile(join(dir, 'oci-layout'), header);
      for (const create of [false, true]) {
        await expect(openLayout(dir, { create })).rejects.toMatchObject({
          code: 'ERR_MLIST_DOCUMENT_INVALID',
          facts: { path: join(dir, 'oci-layout') },
        });
      }
      expect(await readFile(join(dir, 'oci-layout'), 'utf8')).toBe(header);
    }),
  );

  test('an oci-layout file may have other members', () =>
    withLayout(async (_, dir) => {
      await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0","by":"me"}\n');
      await expect(openLayout(dir)).resolves.toBeDefined();
    }));

  test('creating a layout twice keeps its content', () =>
    withLayout(async (layout, dir) => {
      await layout.putManifest(imageOf('a').manifest, 'v1');
      expect(await collect((await openLayout(dir, { create: true })).tags())).toEqual(['v1']);
    }));

  test('an incomplete layout is completed', () =>
    withLayout(async (layout, dir) => {
      await layout.putManifest(imageOf('a').manifest, 'v1');
      await rm(join(dir, 'oci-layout'));
      await expect(openLayout(dir)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      expect(await collect((await openLayout(dir, { create: true })).tags())).toEqual(['v1']);
    }));

  test('does not create a layout in a folder with another index.json', () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, 'index.json'), '{"name":"site"}');
      const making = openLayout(folder, { create: true });
      await expect(making).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
      expect(await readdir(folder)).not.toContain('oci-layout');
      expect(await readFile(join(folder, 'index.json'), 'utf8')).toBe('{"name":"site"}');
    }));

  test('concurrent calls create one layout', () =>
    withFolder(async (folder) => {
      const dir = join(folder, 'deep', 'layout');
      const layouts = await Promise.all(Array.from({ length: 8 }, () => openLayout(dir, { create: true })));
      await Promise.all(layouts.map((layout, at) => layout.putManifest(imageOf(`${at}`).manifest, `v${at}`)));
      expect((await collect((await openLayout(dir)).tags())).sort()).toEqual(layouts.map((_, at) => `v${at}`));
    }));
});

describe('links', () => {
  const { manifest, layers } = imageOf('a');
  const layer = layers[0]!;

  symlinks.each<[string, string]>([
    ['index.json', 'index.json'],
    ['the blobs folder', 'blobs'],
    ['the folder of an algorithm', join('blobs', 'sha256')],
    ['a manifest', join('blobs', ...manifest.descriptor.digest.split(':'))],
  ])('%s that points outside the layout is refused', (_, inside) =>
    withLayout(async (layout, dir) => {
      await layout.putManifest(manifest, 'v1');
      const outside = join(dir, '..', 'outside');
      await rename(join(dir, inside), outside);
      await symlink(outside, join(dir, inside));
      const before = await readdir(outside).catch(() => readFile(outside, 'utf8'));
      const refusal = { code: 'ERR_MLIST_DOCUMENT_INVALID' };
      await expect(layout.fetchManifest('v1')).rejects.toMatchObject(refusal);
      if (inside.startsWith('blobs') && inside.length < 20) {
        await expect(layout.putBlob(layer.descriptor, () => chunksOf(layer.bytes))).rejects.toMatchObject(refusal);
      }
      expect(await readdir(outside).catch(() => readFile(outside, 'utf8'))).toEqual(before);
    }),
  );

  symlinks('an oci-layout file that points outside the layout is refused', () =>
    withLayout(async (_, dir) => {
      await rename(join(dir, 'oci-layout'), join(dir, '..', 'header'));
      await symlink(join('..', 'header'), join(dir, 'oci-layout'));
      await expect(openLayout(dir)).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
    }),
  );

  symlinks('inside the layout are followed, and the path of the layout may be a link', () =>
    withLayout(async (layout, dir) => {
      await layout.putManifest(manifest, 'v1');
      const path = blobPath(dir, manifest.descriptor);
      await rename(path, join(dir, 'moved'));
      await symlink(join('..', '..', 'moved'), path);
      const link = join(dir, '..', 'link');
      await symlink(dir, link);
      expect(await (await openLayout(link)).fetchManifest('v1')).toEqual(manifest);
    }),
  );

  test('an invalid digest is never used as a path', () =>
    withLayout(async (layout) => {
      const digest = 'sha256:../../oci-layout' as Descriptor['digest'];
      const descriptor = { mediaType: 'application/x', digest, size: 30 };
      await expect(layout.fetchBlob(descriptor)).rejects.toMatchObject({ code: 'ERR_MLIST_DIGEST_INVALID' });
      await expect(layout.hasBlob(descriptor)).rejects.toMatchObject({ code: 'ERR_MLIST_DIGEST_INVALID' });
      const put = layout.putBlob(descriptor, () => chunksOf(Buffer.alloc(30)));
      await expect(put).rejects.toMatchObject({ code: 'ERR_MLIST_DIGEST_INVALID' });
    }));
});

test('a blob that is put again is marked as used, so that garbage collection keeps it', () =>
  withLayout(async (layout, dir) => {
    const blob = blobOf('x');
    const put = () => layout.putBlob(blob.descriptor, () => chunksOf(blob.bytes));
    const modified = async () => (await stat(blobPath(dir, blob.descriptor))).mtimeMs;
    await put();
    const past = new Date(1_600_000_000_000);
    await utimes(blobPath(dir, blob.descriptor), past, past);
    await put();
    expect(await modified()).toBe(past.getTime());
    // The system dates the change of the time itself.
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
    await put().finally(() => clock.mockRestore());
    expect(await modified()).toBeGreaterThan(past.getTime());
  }));

describe('a damaged blob', () => {
  const blob = blobOf('x'.repeat(600_000));

  test('is refused before its last chunk if its bytes differ', () =>
    withLayout(async (layout, dir) => {
      await layout.putBlob(blob.descriptor, () => chunksOf(blob.bytes, 100_000));
      await writeFile(blobPath(dir, blob.descriptor), 'y'.repeat(600_000));
      let received = 0;
      const reading = (async () => {
        for await (const chunk of layout.readBlob(blob.descriptor)) received += chunk.length;
      })();
      await expect(reading).rejects.toMatchObject({
        code: 'ERR_MLIST_CONTENT_MISMATCH',
        message: expect.stringContaining(`${blob.descriptor.digest} in ${layout.location} is damaged`) as unknown,
      });
      expect(received).toBeGreaterThan(0);
      expect(received).toBeLessThan(600_000);
      await expect(layout.fetchBlob(blob.descriptor)).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
    }));

  test('is refused at once if its size differs', () =>
    withLayout(async (layout, dir) => {
      await layout.putBlob(blob.descriptor, () => chunksOf(blob.bytes, 100_000));
      await truncate(blobPath(dir, blob.descriptor), 599_999);
      const chunks = layout.readBlob(blob.descriptor)[Symbol.asyncIterator]();
      await expect(chunks.next()).rejects.toMatchObject({
        code: 'ERR_MLIST_CONTENT_MISMATCH',
        message: expect.stringContaining(`in ${layout.location} is damaged: it has 599999 bytes`) as unknown,
      });
      expect(await layout.hasBlob(blob.descriptor)).toBe(false);
    }));

  test('is repaired by putting it again, also if it is a manifest', () =>
    withLayout(async (layout, dir) => {
      const { manifest } = imageOf('a');
      await layout.putBlob(blob.descriptor, () => chunksOf(blob.bytes, 100_000));
      await layout.putManifest(manifest, 'v1');
      for (const { descriptor } of [blob, manifest]) {
        await writeFile(blobPath(dir, descriptor), 'y'.repeat(descriptor.size));
      }
      await expect(layout.fetchManifest('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
      await layout.putBlob(blob.descriptor, () => chunksOf(blob.bytes, 100_000));
      await layout.putManifest(manifest, 'v1');
      expect(await layout.fetchManifest('v1')).toEqual(manifest);
      expect((await bytesOf(layout.readBlob(blob.descriptor))).equals(blob.bytes)).toBe(true);
    }));

  test('of an index hides only its entries', () =>
    withLayout(async (layout, dir) => {
      const [one, two] = [imageOf('a').manifest, imageOf('b').manifest];
      const index = indexOf([one.descriptor]);
      await putChild(layout, one);
      await layout.putManifest(index, 'v1');
      await layout.putManifest(two, 'v2');
      await writeFile(blobPath(dir, index.descriptor), '{');
      const fresh = await openLayout(dir);
      await expect(fresh.fetchManifest('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
      await expect(fresh.resolve(one.descriptor.digest)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      expect(await fresh.fetchManifest('v2')).toEqual(two);
    }));

  test('leaves no temporary file when it is refused', () =>
    withLayout(async (layout, dir) => {
      await expect(layout.putBlob(blob.descriptor, () => chunksOf(Buffer.from('other')))).rejects.toBeDefined();
      await expect(layout.putManifest({ ...blob, bytes: Buffer.alloc(3) }, 'v1')).rejects.toBeDefined();
      expect((await readdir(dir)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    }));
});

test('fetchBlob refuses more than 4 MiB', () =>
  withLayout(async (layout) => {
    const large = blobOf(Buffer.alloc(4 * 1024 * 1024 + 1));
    await layout.putBlob(large.descriptor, () => chunksOf(large.bytes, 1024 * 1024));
    await expect(layout.fetchBlob(large.descriptor)).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
    expect((await bytesOf(layout.readBlob(large.descriptor))).length).toBe(large.descriptor.size);
  }));

test('concurrent writers lose no entry, and readers see complete files', () =>
  withLayout(async (_, dir) => {
    const writers = Array.from({ length: 4 }, async (_unused, writer) => {
      const layout = await openLayout(dir, { create: true });
      const names = Array.from({ length: 10 }, (_none, at) => `w${writer}-${at}`);
      await Promise.all(names.map((name) => layout.putManifest(imageOf(name).manifest, name)));
    });
    let writing = true;
    const reader = (async () => {
      while (writing) for await (const tag of (await openLayout(dir)).tags()) expect(tag).toMatch(/^w\d-\d$/);
    })();
    await Promise.all(writers);
    writing = false;
    await reader;
    expect((await collect((await openLayout(dir)).tags())).length).toBe(40);
    expect((await readdir(dir)).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  }));

test('a change by another tool is read', () =>
  withLayout(async (layout, dir) => {
    const [one, two] = [imageOf('a').manifest, imageOf('b').manifest];
    await layout.putManifest(one, 'v1');
    await putChild(layout, two);
    const past = new Date(Date.now() - 60_000);
    await utimes(join(dir, 'index.json'), past, past);
    expect((await layout.resolve('v1')).digest).toBe(one.descriptor.digest);
    const text = await readFile(join(dir, 'index.json'), 'utf8');
    await writeFile(join(dir, 'index.json'), text.replaceAll('"v1"', '"v9"'));
    expect((await layout.resolve('v9')).digest).toBe(one.descriptor.digest);
    await expect(layout.resolve('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
  }));

test('sha512 blobs have their own folder', () =>
  withLayout(async (layout, dir) => {
    const manifest = asSha512(imageOf('a').manifest);
    await layout.putManifest(manifest, 'v1');
    expect(await readdir(join(dir, 'blobs'))).toContain('sha512');
    expect(await layout.fetchManifest('v1')).toEqual(manifest);
  }));

test('concurrent processes lose no entry', () =>
  withLayout(async (_, dir) => {
    const script = join(dir, '..', 'writer.mjs');
    await build({
      stdin: { contents: writerScript, resolveDir: import.meta.dirname, loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: script,
      logLevel: 'error',
    });
    await Promise.all(['a', 'b', 'c'].map((prefix) => runProgram(process.execPath, script, dir, prefix)));
    expect((await collect((await openLayout(dir)).tags())).length).toBe(30);
  }));

const writerScript = `
  import { openLayout } from '../../src/store/layout/open-layout.ts';
  import { imageOf } from './samples.ts';
  const [dir = '', prefix = ''] = process.argv.slice(2);
  const layout = await openLayout(dir, { create: true });
  for (let at = 0; at < 10; at += 1) await layout.putManifest(imageOf(prefix + at).manifest, prefix + at);
`;

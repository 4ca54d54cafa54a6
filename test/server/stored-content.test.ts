import { describe, expect, test } from '@jest/globals';
import type { ManifestContent } from '../../src/store/store.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import { blobOf, contentOf, imageOf, indexOf, unstated } from '../store/samples.ts';
import { codesOf, stores, jsonOf, putImage, type Served } from './client.ts';

/** Content that is fetched by digest has its own bytes and media type, regardless of other pushes. */

async function expectStored(served: Served, { descriptor, bytes }: ManifestContent, reference?: string): Promise<void> {
  const answer = await served.get(`/v2/repo/manifests/${reference ?? descriptor.digest}`);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, descriptor.mediaType]);
  expect(answer.body).toEqual(bytes);
}

async function expectAbsent(served: Served, { descriptor }: ManifestContent): Promise<void> {
  expect((await served.get(`/v2/repo/manifests/${descriptor.digest}`)).status).toBe(404);
}

async function deleteManifest(served: Served, reference: string): Promise<number> {
  return (await served.send('DELETE', `/v2/repo/manifests/${reference}`)).status;
}

async function referrersOf(served: Served, { digest }: Descriptor): Promise<readonly unknown[]> {
  return (jsonOf(await served.get(`/v2/repo/referrers/${digest}`)) as { manifests: unknown[] }).manifests;
}

describe.each(stores)('stored content in %s', (_, serve) => {
  const image = imageOf('a');
  const referrer = imageOf('r', { subject: image.manifest.descriptor });
  const inner = indexOf([image.manifest.descriptor, referrer.manifest.descriptor]);
  const layer = image.layers[0]!;

  const wrongDescriptors: readonly (readonly [string, ManifestContent, Partial<Descriptor>])[] = [
    ['an image with a wrong size', image.manifest, { size: 5 }],
    ['an image of another format', image.manifest, { mediaType: MediaType.dockerManifest }],
    ['an image as an index', image.manifest, { mediaType: MediaType.ociIndex }],
    ['an image as an unknown type', image.manifest, { mediaType: 'application/x' }],
    ['a referrer with a wrong size', referrer.manifest, { size: 5 }],
    ['a referrer as an unknown type', referrer.manifest, { mediaType: 'application/x' }],
    ['an index with a wrong size', inner, { size: 5 }],
    ['an index as an image', inner, { mediaType: MediaType.ociManifest }],
    ['an index as a Docker list', inner, { mediaType: MediaType.dockerList }],
    ['a blob with a wrong size', layer, { size: 5 }],
  ];

  test.each(wrongDescriptors)(
    'an index that lists %s is refused, and changes nothing',
    (_case, { descriptor }, wrong) =>
      serve(async (served) => {
        for (const each of [image, referrer]) await putImage(served, 'repo', each);
        await served.putManifest('repo', inner);
        const put = await served.putManifest('repo', indexOf([{ ...descriptor, ...wrong }]), 'wrong');
        expect(put.status).toBe(400);
        expect(jsonOf(put)).toMatchObject({ errors: [{ code: 'MANIFEST_INVALID', detail: descriptor.digest }] });
        expect((await served.get('/v2/repo/manifests/wrong')).status).toBe(404);
        for (const content of [image.manifest, referrer.manifest, inner]) await expectStored(served, content);
        expect(await referrersOf(served, image.manifest.descriptor)).toHaveLength(1);
      }),
  );

  test('an image with a wrong layer size is refused', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const wrong = imageOf('a', { layers: [{ ...layer.descriptor, size: 5 }] }).manifest;
      const put = await served.putManifest('repo', wrong);
      expect(put.status).toBe(400);
      expect(jsonOf(put)).toMatchObject({ errors: [{ code: 'MANIFEST_INVALID', detail: layer.descriptor.digest }] });
    }));

  test('the error names every wrong descriptor and every missing digest', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const absent = imageOf('absent').manifest.descriptor;
      const index = indexOf([{ ...image.manifest.descriptor, size: 5 }, absent, { ...layer.descriptor, size: 6 }]);
      const put = await served.putManifest('repo', index);
      expect([put.status, ...codesOf(put)]).toEqual([
        400,
        'MANIFEST_INVALID',
        'MANIFEST_BLOB_UNKNOWN',
        'MANIFEST_INVALID',
      ]);
    }));

  test('bytes without a mediaType keep their first type by digest, and each tag has the type of its own push', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const first = unstated(image.manifest);
      const second = contentOf(MediaType.dockerManifest, first.bytes);
      await served.putManifest('repo', first, 'one');
      await served.putManifest('repo', second, 'two');
      await served.putManifest('repo', second);
      await expectStored(served, first, 'one');
      await expectStored(served, second, 'two');
      await expectStored(served, first);
      expect(await deleteManifest(served, 'one')).toBe(202);
      await expectStored(served, second, 'two');
      await expectStored(served, first);
      expect(await deleteManifest(served, first.descriptor.digest)).toBe(202);
      await served.putManifest('repo', second);
      await expectStored(served, second);
    }));

  test('a media type that the bytes do not imply stays when an index lists the manifest', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const child = contentOf(MediaType.dockerManifest, unstated(image.manifest).bytes);
      await served.putManifest('repo', child);
      const lists = [child.descriptor, { ...child.descriptor, mediaType: MediaType.ociManifest }];
      for (const [at, descriptor] of lists.entries()) {
        expect((await served.putManifest('repo', indexOf([descriptor]), `v${at}`)).status).toBe(201);
        await expectStored(served, child);
      }
      const wrong = indexOf([{ ...child.descriptor, mediaType: MediaType.ociIndex }]);
      expect(codesOf(await served.putManifest('repo', wrong))).toEqual(['MANIFEST_INVALID']);
    }));

  describe('a manifest that is a layer of an image', () => {
    const holder = imageOf('holder', { layers: [{ ...image.manifest.descriptor, mediaType: 'application/x' }] });
    const putHolder = async (served: Served): Promise<void> => {
      await putImage(served, 'repo', image, 'v1');
      await served.putBlob('repo', image.manifest);
      await putImage(served, 'repo', holder, 'holder');
    };
    const path = `/v2/repo/blobs/${image.manifest.descriptor.digest}`;

    test('stays as a blob when it is deleted as a manifest', () =>
      serve(async (served) => {
        await putHolder(served);
        expect(await deleteManifest(served, image.manifest.descriptor.digest)).toBe(202);
        await expectAbsent(served, image.manifest);
        expect((await served.get('/v2/repo/manifests/v1')).status).toBe(404);
        expect((await served.get(path)).body).toEqual(image.manifest.bytes);
        expect(await deleteManifest(served, image.manifest.descriptor.digest)).toBe(404);
        await served.putManifest('repo', image.manifest, 'v1');
        await expectStored(served, image.manifest);
      }));

    test('stays as a blob if it was a blob before', () =>
      serve(async (served) => {
        await served.putBlob('repo', image.manifest);
        await putImage(served, 'repo', holder, 'holder');
        await putImage(served, 'repo', image);
        await deleteManifest(served, image.manifest.descriptor.digest);
        expect((await served.get(path)).body).toEqual(image.manifest.bytes);
      }));
  });

  test('a blob that an index lists does not become a manifest', () =>
    serve(async (served) => {
      const blob = blobOf('<script>', 'text/html');
      const path = `/v2/repo/blobs/${blob.descriptor.digest}`;
      await served.putBlob('repo', blob);
      expect((await served.putManifest('repo', indexOf([blob.descriptor]), 'v1')).status).toBe(201);
      const answer = await served.get(`/v2/repo/manifests/${blob.descriptor.digest}`);
      expect(answer.headers['content-type']).not.toBe('text/html');
      expect(await deleteManifest(served, blob.descriptor.digest)).toBe(404);
      expect((await served.get(path)).body).toEqual(blob.bytes);
      expect((await served.send('DELETE', path)).status).toBe(202);
      expect((await served.get(path)).status).toBe(404);
    }));
});

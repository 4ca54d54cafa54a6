import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { ManifestContent } from '../../src/store/store.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import {
  contentOf,
  contentsOf,
  imageOf,
  indexOf,
  tagged,
  unstated,
  withFolder,
  writeLayout,
} from '../store/samples.ts';
import { codesOf, jsonOf, putImage, withRegistry, type Served } from './client.ts';

/** Folders with wrong descriptors of an older version or another tool. */

const image = imageOf('a');
const referrer = imageOf('r', { subject: image.manifest.descriptor });
const inner = indexOf([image.manifest.descriptor, referrer.manifest.descriptor]);
const contents = [...contentsOf(image), ...contentsOf(referrer), inner];

function withDamaged(
  more: readonly ManifestContent[],
  entries: readonly Descriptor[],
  work: (served: Served, dir: string) => Promise<void>,
): Promise<void> {
  return withFolder(async (dir) => {
    await writeLayout(join(dir, 'repo'), [...contents, ...more], entries);
    await withRegistry({ dir }, (served) => work(served, dir));
  });
}

async function expectStored(served: Served, { descriptor, bytes }: ManifestContent): Promise<void> {
  const answer = await served.get(`/v2/repo/manifests/${descriptor.digest}`);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, descriptor.mediaType]);
  expect(answer.body).toEqual(bytes);
}

async function expectWhole(served: Served): Promise<void> {
  for (const content of [inner, image.manifest, referrer.manifest]) await expectStored(served, content);
  const referrers = await served.get(`/v2/repo/referrers/${image.manifest.descriptor.digest}`);
  expect((jsonOf(referrers) as { manifests: unknown[] }).manifests).toMatchObject([
    { digest: referrer.manifest.descriptor.digest, mediaType: MediaType.ociManifest },
  ]);
}

/** Pushes all content again, children first. */
async function pushAgain(served: Served): Promise<void> {
  for (const each of [image, referrer]) await putImage(served, 'repo', each);
  expect((await served.putManifest('repo', inner)).status).toBe(201);
}

async function entriesIn(dir: string): Promise<readonly Descriptor[]> {
  const text = await readFile(join(dir, 'repo', 'index.json'), 'utf8');
  return (JSON.parse(text) as { manifests: Descriptor[] }).manifests;
}

const wrongFields: readonly (readonly [string, Partial<Descriptor>])[] = [
  ['a wrong size', { size: 5 }],
  ['a size that is too large to be read', { size: 5_000_000_000 }],
  ['the type of an image', { mediaType: MediaType.ociManifest }],
  ['the type of a Docker list', { mediaType: MediaType.dockerList }],
  ['an unknown type', { mediaType: 'application/x' }],
];

describe.each(wrongFields)('an index that another one lists with %s', (_, fields) => {
  const wrong = indexOf([{ ...inner.descriptor, ...fields }]);

  test('is served with its own bytes and type', () =>
    withDamaged([wrong], [tagged(wrong, 'wrong')], async (served) => {
      await expectStored(served, inner);
      await expectStored(served, wrong);
    }));

  test('is complete after it was pushed again, also when the wrong list is deleted', () =>
    withDamaged([wrong], [tagged(wrong, 'wrong')], async (served) => {
      await pushAgain(served);
      await expectWhole(served);
      expect((await served.putManifest('repo', indexOf([inner.descriptor]), 'right')).status).toBe(201);
      await expectWhole(served);
      await served.send('DELETE', `/v2/repo/manifests/${wrong.descriptor.digest}`);
      await expectWhole(served);
    }));

  test('is complete if a correct list has it too', () => {
    const right = indexOf([inner.descriptor]);
    return withDamaged([wrong, right], [tagged(wrong, 'wrong'), tagged(right, 'right')], async (served) => {
      await expectWhole(served);
      expect((await served.putManifest('repo', right, 'again')).status).toBe(201);
    });
  });

  test('cannot be listed in this way again: the wrong list is refused', () =>
    withDamaged([wrong], [tagged(wrong, 'wrong')], async (served) => {
      await pushAgain(served);
      expect(codesOf(await served.putManifest('repo', wrong, 'again'))).toEqual(['MANIFEST_INVALID']);
    }));

  test('keeps its own size and type when the wrong list is deleted', () =>
    withDamaged([wrong], [tagged(wrong, 'wrong')], async (served, dir) => {
      if (fields.mediaType === 'application/x') await pushAgain(served);
      await served.send('DELETE', `/v2/repo/manifests/${wrong.descriptor.digest}`);
      expect(await entriesIn(dir)).toEqual([inner.descriptor]);
      await expectWhole(served);
    }));
});

describe.each(wrongFields)('an index that index.json lists with %s', (_, fields) => {
  test('has a correct entry after it was pushed again, with the other members of the entry', () => {
    const platform = { os: 'linux', architecture: 'amd64' };
    const entry = { platform, ...tagged(inner, 'v1'), ...fields };
    return withDamaged([], [entry], async (served, dir) => {
      await expectStored(served, inner);
      await pushAgain(served);
      expect(await entriesIn(dir)).toEqual([{ platform, ...tagged(inner, 'v1') }]);
      expect((await served.get('/v2/repo/manifests/v1')).headers['content-type']).toBe(MediaType.ociIndex);
      await expectWhole(served);
    });
  });
});

test('a manifest is not deleted if an index lists it and an image has it as a layer', () => {
  const holder = imageOf('holder', { layers: [image.manifest.descriptor] });
  const { digest } = image.manifest.descriptor;
  const entries = [tagged(inner, 'v1'), tagged(holder.manifest, 'holder')];
  return withDamaged(contentsOf(holder), entries, async (served) => {
    const refused = await served.send('DELETE', `/v2/repo/manifests/${digest}`);
    expect([refused.status, ...codesOf(refused)]).toEqual([409, 'DENIED']);
    await expectWhole(served);
    await served.send('DELETE', '/v2/repo/manifests/v1');
    await served.send('DELETE', `/v2/repo/manifests/${inner.descriptor.digest}`);
    expect((await served.send('DELETE', `/v2/repo/manifests/${digest}`)).status).toBe(202);
    expect((await served.get(`/v2/repo/manifests/${digest}`)).status).toBe(404);
    expect((await served.get(`/v2/repo/blobs/${digest}`)).body).toEqual(image.manifest.bytes);
  });
});

test('a media type that the bytes do not imply is still known after a restart', () =>
  withFolder(async (dir) => {
    const child = contentOf(MediaType.dockerManifest, unstated(image.manifest).bytes);
    await withRegistry({ dir }, async (served) => {
      await putImage(served, 'repo', image);
      await served.putManifest('repo', child);
      await served.putManifest('repo', indexOf([child.descriptor]), 'v1');
    });
    await withRegistry({ dir }, async (served) => {
      await expectStored(served, child);
      expect((await served.putManifest('repo', indexOf([child.descriptor]), 'v2')).status).toBe(201);
      await expectStored(served, child);
    });
  }));

test('a child with a truncated file is reported as missing until it is pushed again', () =>
  withFolder(async (dir) => {
    const cut = { ...image.manifest, bytes: image.manifest.bytes.subarray(1) };
    await writeLayout(join(dir, 'repo'), [...contents, cut], [tagged(inner, 'v1')]);
    await withRegistry({ dir }, async (served) => {
      const list = indexOf([image.manifest.descriptor]);
      expect(codesOf(await served.putManifest('repo', list))).toEqual(['MANIFEST_BLOB_UNKNOWN']);
      await served.putManifest('repo', image.manifest);
      expect((await served.putManifest('repo', list)).status).toBe(201);
      await expectWhole(served);
    });
  }));

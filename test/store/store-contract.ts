import { describe, expect, test } from '@jest/globals';
import type { ContentWriter, Mounter, ReferrerLister, TagStore } from '../../src/store/store.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import type { Repository } from '../../src/server/storage.ts';
import { asSha512, blobOf, bytesOf, chunksOf, collect, imageOf, indexOf, sha512Of } from './samples.ts';

export type TestedStore = ContentWriter & TagStore & ReferrerLister & Mounter & Repository;

/** Tests that every content store must pass. `open` runs the work with a new, empty store. */
export function describeStoreContract(
  title: string,
  open: (work: (store: TestedStore) => Promise<void>) => Promise<void>,
): void {
  const { manifest, config } = imageOf('a');
  const { digest } = manifest.descriptor;

  describe(`${title}: manifests`, () => {
    test('are read by tag and by digest, byte for byte', () =>
      open(async (store) => {
        await store.putManifest(manifest, 'v1');
        for (const name of ['v1', digest]) {
          expect(await store.fetchManifest(name)).toEqual(manifest);
          expect(await store.resolve(name)).toEqual(manifest.descriptor);
        }
        expect(await store.hasManifest(digest)).toBe(true);
      }));

    test('may be put by digest alone', () =>
      open(async (store) => {
        await store.putManifest(manifest, digest);
        expect(await store.fetchManifest(digest)).toEqual(manifest);
        expect(await collect(store.tags())).toEqual([]);
      }));

    test('may have a sha512 digest', () =>
      open(async (store) => {
        const other = asSha512(manifest);
        await store.putManifest(other, other.descriptor.digest);
        expect(await store.fetchManifest(sha512Of(manifest.bytes))).toEqual(other);
        expect(await store.hasManifest(digest)).toBe(false);
      }));

    test('are not blobs with the same content', () =>
      open(async (store) => {
        await store.putBlob(manifest.descriptor, () => chunksOf(manifest.bytes));
        await expect(store.resolve(digest)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
        expect(await store.hasManifest(digest)).toBe(false);
      }));

    test.each<[string, string]>([
      ['a tag', 'v2'],
      ['a digest', blobOf('nowhere').descriptor.digest],
    ])('that are not there are not found by %s', (_, name) =>
      open(async (store) => {
        await store.putManifest(manifest, 'v1');
        await expect(store.resolve(name)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
        await expect(store.fetchManifest(name)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }),
    );

    test('are refused if their bytes do not match', () =>
      open(async (store) => {
        const wrong = { ...manifest, bytes: Buffer.from(manifest.bytes).fill(32, 5, 6) };
        const short = { ...manifest, bytes: manifest.bytes.subarray(1) };
        for (const content of [wrong, short]) {
          await expect(store.putManifest(content, 'v1')).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        }
        const elsewhere = store.putManifest(manifest, config.descriptor.digest);
        await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        await expect(store.resolve('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));

    test('are compared with the expected descriptor', () =>
      open(async (store) => {
        await store.putManifest(manifest, 'v1');
        const expected = { ...manifest.descriptor, mediaType: MediaType.dockerManifest };
        expect((await store.fetchManifest('v1', { expected })).descriptor).toEqual(expected);
        const other = store.fetchManifest('v1', { expected: imageOf('b').manifest.descriptor });
        await expect(other).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
      }));

    test('are deleted with all their tags, but not their children', () =>
      open(async (store) => {
        const index = indexOf([manifest.descriptor]);
        await store.putManifest(manifest, digest);
        for (const tag of ['v1', 'v2']) await store.putManifest(index, tag);
        await store.deleteManifest(index.descriptor.digest);
        expect(await collect(store.tags())).toEqual([]);
        await expect(store.resolve(index.descriptor.digest)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
        const again = store.deleteManifest(index.descriptor.digest);
        await expect(again).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));

    test('are found by digest, with their own media type and size', () =>
      open(async (store) => {
        await store.putManifest(manifest, 'v1');
        const nowhere = blobOf('nowhere').descriptor.digest;
        expect(await store.storedManifests([digest, nowhere])).toEqual(new Map([[digest, manifest.descriptor]]));
      }));
  });

  describe(`${title}: tags`, () => {
    test('move, and are listed without duplicates', () =>
      open(async (store) => {
        const other = imageOf('b').manifest;
        await store.putManifest(manifest, 'v1');
        await store.putManifest(manifest, 'v2');
        await store.putManifest(other, 'v1');
        expect((await collect(store.tags())).sort()).toEqual(['v1', 'v2']);
        expect((await store.resolve('v1')).digest).toBe(other.descriptor.digest);
        expect((await store.resolve('v2')).digest).toBe(digest);
      }));

    test('move only from the expected digest', () =>
      open(async (store) => {
        const other = imageOf('b').manifest;
        const ifMatch = other.descriptor.digest;
        await store.putManifest(manifest, 'v1');
        const conflict = { code: 'ERR_MLIST_CONFLICT' };
        for (const name of ['v1', 'none', ifMatch]) {
          await expect(store.putManifest(other, name, { ifMatch })).rejects.toMatchObject(conflict);
        }
        expect((await store.resolve('v1')).digest).toBe(digest);
        await store.putManifest(other, 'v1', { ifMatch: digest });
        expect((await store.resolve('v1')).digest).toBe(ifMatch);
        await store.putManifest(other, ifMatch, { ifMatch });
      }));

    test('are created only if the name is not used', () =>
      open(async (store) => {
        const other = imageOf('b').manifest;
        await store.putManifest(manifest, 'v1', { ifMatch: 'absent' });
        for (const content of [manifest, other])
          await expect(store.putManifest(content, 'v1', { ifMatch: 'absent' })).rejects.toMatchObject({
            code: 'ERR_MLIST_CONFLICT',
          });
        expect((await store.resolve('v1')).digest).toBe(digest);
      }));

    test('are removed one by one', () =>
      open(async (store) => {
        await store.putManifest(manifest, 'v1');
        await store.putManifest(manifest, 'v2');
        await store.untag('v1');
        expect(await collect(store.tags())).toEqual(['v2']);
        expect(await store.hasManifest(digest)).toBe(true);
        await expect(store.untag('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));
  });

  describe(`${title}: blobs`, () => {
    const blob = blobOf('some bytes of a layer');
    const empty = blobOf('');

    test.each([
      ['of bytes', blob],
      ['without bytes', empty],
      ['under sha512', asSha512(blob)],
    ])('%s are read completely, as a stream, and in ranges', (_, { descriptor, bytes }) =>
      open(async (store) => {
        expect(await store.hasBlob(descriptor)).toBe(false);
        await store.putBlob(descriptor, () => chunksOf(bytes));
        expect(await store.hasBlob(descriptor)).toBe(true);
        expect(await store.hasBlob({ ...descriptor, size: descriptor.size + 1 })).toBe(false);
        expect(await store.blobSize(descriptor.digest)).toBe(bytes.length);
        expect(Buffer.from(await store.fetchBlob(descriptor))).toEqual(bytes);
        expect(await bytesOf(store.readBlob(descriptor))).toEqual(bytes);
        const part = await bytesOf(store.readBlobPart(descriptor.digest, 2, bytes.length - 3));
        expect(part).toEqual(Buffer.from(bytes).subarray(2, Math.max(2, bytes.length - 3)));
      }),
    );

    test('that do not exist are not found', () =>
      open(async (store) => {
        const { descriptor } = blob;
        const attempts = [
          () => store.fetchBlob(descriptor),
          () => store.blobSize(descriptor.digest),
          () => bytesOf(store.readBlob(descriptor)),
          () => bytesOf(store.readBlobPart(descriptor.digest, 0, 1)),
          () => store.deleteBlob(descriptor.digest),
        ];
        for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));

    test.each([
      ['other bytes', Buffer.from('SOME bytes of a layer')],
      ['too few bytes', blob.bytes.subarray(1)],
      ['too many bytes', Buffer.concat([blob.bytes, blob.bytes])],
    ])('are refused with %s, and nothing is stored', (_, bytes) =>
      open(async (store) => {
        const put = store.putBlob(blob.descriptor, () => chunksOf(bytes));
        await expect(put).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        expect(await store.hasBlob(blob.descriptor)).toBe(false);
      }),
    );

    test('with an unsupported algorithm are refused', () =>
      open(async (store) => {
        const digest = `blake3:${'0'.repeat(64)}` as typeof blob.descriptor.digest;
        const put = store.putBlob({ ...blob.descriptor, digest }, () => chunksOf(blob.bytes));
        await expect(put).rejects.toMatchObject({ code: 'ERR_MLIST_DIGEST_INVALID' });
      }));

    test('are appended in several steps', () =>
      open(async (store) => {
        const staged = await store.stageBlob();
        await staged.append(chunksOf(blob.bytes.subarray(0, 7)));
        expect(staged.size).toBe(7);
        await staged.append(chunksOf(blob.bytes.subarray(7)));
        await staged.commit(blob.descriptor.digest);
        expect(Buffer.from(await store.fetchBlob(blob.descriptor))).toEqual(blob.bytes);
      }));

    test('keep the bytes before a failure of the source', () =>
      open(async (store) => {
        const staged = await store.stageBlob();
        const failing = async function* (): AsyncGenerator<Uint8Array> {
          yield* chunksOf(blob.bytes.subarray(0, 7));
          throw await Promise.resolve(new Error('cut'));
        };
        await expect(staged.append(failing())).rejects.toThrow('cut');
        expect(staged.size).toBe(7);
        await staged.append(chunksOf(blob.bytes.subarray(7)));
        await staged.commit(blob.descriptor.digest);
        expect(await store.hasBlob(blob.descriptor)).toBe(true);
      }));

    test('are deleted', () =>
      open(async (store) => {
        await store.putBlob(blob.descriptor, () => chunksOf(blob.bytes));
        await store.deleteBlob(blob.descriptor.digest);
        expect(await store.hasBlob(blob.descriptor)).toBe(false);
      }));

    test('are mounted from a store of the same kind', () =>
      open((store) =>
        open(async (other) => {
          await other.putBlob(blob.descriptor, () => chunksOf(blob.bytes));
          expect(store.canMountFrom(other)).toBe(true);
          const never = (): AsyncIterable<Uint8Array> => {
            throw new Error('the bytes were read');
          };
          expect(await store.mountBlob(blob.descriptor, other, never)).toBe('mounted');
          await other.deleteBlob(blob.descriptor.digest);
          expect(Buffer.from(await store.fetchBlob(blob.descriptor))).toEqual(blob.bytes);
        }),
      ));

    test('are uploaded if they cannot be mounted', () =>
      open((store) =>
        open(async (other) => {
          expect(await store.mountBlob(blob.descriptor, other, () => chunksOf(blob.bytes))).toBe('uploaded');
          expect(await store.hasBlob(blob.descriptor)).toBe(true);
        }),
      ));
  });

  describe(`${title}: referrers`, () => {
    const subject = manifest.descriptor;
    const signature = imageOf('s', { subject, artifactType: 'application/x.sig', annotations: { by: 'me' } }).manifest;
    const plain = imageOf('p', { subject }).manifest;
    const index = indexOf([], { subject, annotations: { of: 'index' } });

    test('are listed with artifact type and annotations, and filtered', () =>
      open(async (store) => {
        for (const content of [signature, plain, index]) await store.putManifest(content, content.descriptor.digest);
        await store.putManifest(imageOf('other').manifest, 'other');
        const expected = [
          { ...signature.descriptor, artifactType: 'application/x.sig', annotations: { by: 'me' } },
          { ...plain.descriptor, artifactType: MediaType.ociConfig },
          { ...index.descriptor, annotations: { of: 'index' } },
        ];
        expect(await store.referrers(subject.digest)).toEqual(expected);
        expect(await store.referrers(subject.digest, 'application/x.sig')).toEqual(expected.slice(0, 1));
        expect(await store.referrers(digest, 'application/x.none')).toEqual([]);
      }));

    test('are not listed after they were deleted', () =>
      open(async (store) => {
        await store.putManifest(plain, plain.descriptor.digest);
        await store.deleteManifest(plain.descriptor.digest);
        expect(await store.referrers(subject.digest)).toEqual([]);
      }));
  });

  test(`${title}: an aborted signal stops the work`, () =>
    open(async (store) => {
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await expect(store.putManifest(manifest, 'v1', { signal })).rejects.toBe(reason);
      await expect(store.fetchManifest('v1', { signal })).rejects.toBe(reason);
      const blob = blobOf('bytes');
      await expect(store.putBlob(blob.descriptor, () => chunksOf(blob.bytes), { signal })).rejects.toBe(reason);
    }));
}

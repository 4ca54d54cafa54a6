import { describe, expect, test } from '@jest/globals';
import type { ContentWriter, Mounter, ReferrerLister, TagStore } from '../../src/store/store.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import type { Repository } from '../../src/server/storage.ts';
import { asSha512, blobOf, bytesOf, chunksOf, collect, imageOf, indexOf, sha512Of } from './samples.ts';

export type TestedStore = ContentWriter & TagStore & ReferrerLister & Mounter & Repository;

/** What every home of content must do alike; `open` hands a new empty one to the work. */
export function describeStoreContract(
  title: string,
  open: (work: (home: TestedStore) => Promise<void>) => Promise<void>,
): void {
  const { manifest, config } = imageOf('a');
  const { digest } = manifest.descriptor;

  describe(`${title}: manifests`, () => {
    test('come back by tag and by digest, byte for byte', () =>
      open(async (home) => {
        await home.putManifest(manifest, 'v1');
        for (const name of ['v1', digest]) {
          expect(await home.fetchManifest(name)).toEqual(manifest);
          expect(await home.resolve(name)).toEqual(manifest.descriptor);
        }
        expect(await home.hasManifest(digest)).toBe(true);
      }));

    test('may be put by digest alone', () =>
      open(async (home) => {
        await home.putManifest(manifest, digest);
        expect(await home.fetchManifest(digest)).toEqual(manifest);
        expect(await collect(home.tags())).toEqual([]);
      }));

    test('may go by sha512', () =>
      open(async (home) => {
        const other = asSha512(manifest);
        await home.putManifest(other, other.descriptor.digest);
        expect(await home.fetchManifest(sha512Of(manifest.bytes))).toEqual(other);
        expect(await home.hasManifest(digest)).toBe(false);
      }));

    test('are not blobs that look like them', () =>
      open(async (home) => {
        await home.putBlob(manifest.descriptor, () => chunksOf(manifest.bytes));
        await expect(home.resolve(digest)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
        expect(await home.hasManifest(digest)).toBe(false);
      }));

    test.each<[string, string]>([
      ['a tag', 'v2'],
      ['a digest', blobOf('nowhere').descriptor.digest],
    ])('that are not there are not found by %s', (_, name) =>
      open(async (home) => {
        await home.putManifest(manifest, 'v1');
        await expect(home.resolve(name)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
        await expect(home.fetchManifest(name)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }),
    );

    test('are refused where their bytes are others', () =>
      open(async (home) => {
        const wrong = { ...manifest, bytes: Buffer.from(manifest.bytes).fill(32, 5, 6) };
        const short = { ...manifest, bytes: manifest.bytes.subarray(1) };
        for (const content of [wrong, short]) {
          await expect(home.putManifest(content, 'v1')).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        }
        const elsewhere = home.putManifest(manifest, config.descriptor.digest);
        await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        await expect(home.resolve('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));

    test('are checked against what is expected', () =>
      open(async (home) => {
        await home.putManifest(manifest, 'v1');
        const expected = { ...manifest.descriptor, mediaType: MediaType.dockerManifest };
        expect((await home.fetchManifest('v1', { expected })).descriptor).toEqual(expected);
        const other = home.fetchManifest('v1', { expected: imageOf('b').manifest.descriptor });
        await expect(other).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
      }));

    test('are deleted with all their tags, and what they point at stays', () =>
      open(async (home) => {
        const index = indexOf([manifest.descriptor]);
        await home.putManifest(manifest, digest);
        for (const tag of ['v1', 'v2']) await home.putManifest(index, tag);
        await home.deleteManifest(index.descriptor.digest);
        expect(await collect(home.tags())).toEqual([]);
        await expect(home.resolve(index.descriptor.digest)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
        const again = home.deleteManifest(index.descriptor.digest);
        await expect(again).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));

    test('are found by their digests, with their own media type and size', () =>
      open(async (home) => {
        await home.putManifest(manifest, 'v1');
        const nowhere = blobOf('nowhere').descriptor.digest;
        expect(await home.storedManifests([digest, nowhere])).toEqual(new Map([[digest, manifest.descriptor]]));
      }));
  });

  describe(`${title}: tags`, () => {
    test('move, and are listed once', () =>
      open(async (home) => {
        const other = imageOf('b').manifest;
        await home.putManifest(manifest, 'v1');
        await home.putManifest(manifest, 'v2');
        await home.putManifest(other, 'v1');
        expect((await collect(home.tags())).sort()).toEqual(['v1', 'v2']);
        expect((await home.resolve('v1')).digest).toBe(other.descriptor.digest);
        expect((await home.resolve('v2')).digest).toBe(digest);
      }));

    test('move only from what is expected', () =>
      open(async (home) => {
        const other = imageOf('b').manifest;
        const ifMatch = other.descriptor.digest;
        await home.putManifest(manifest, 'v1');
        const conflict = { code: 'ERR_MLIST_CONFLICT' };
        for (const name of ['v1', 'none', ifMatch]) {
          await expect(home.putManifest(other, name, { ifMatch })).rejects.toMatchObject(conflict);
        }
        expect((await home.resolve('v1')).digest).toBe(digest);
        await home.putManifest(other, 'v1', { ifMatch: digest });
        expect((await home.resolve('v1')).digest).toBe(ifMatch);
        await home.putManifest(other, ifMatch, { ifMatch });
      }));

    test('are made only where nothing has the name', () =>
      open(async (home) => {
        const other = imageOf('b').manifest;
        await home.putManifest(manifest, 'v1', { ifMatch: 'absent' });
        for (const content of [manifest, other])
          await expect(home.putManifest(content, 'v1', { ifMatch: 'absent' })).rejects.toMatchObject({
            code: 'ERR_MLIST_CONFLICT',
          });
        expect((await home.resolve('v1')).digest).toBe(digest);
      }));

    test('are removed one by one', () =>
      open(async (home) => {
        await home.putManifest(manifest, 'v1');
        await home.putManifest(manifest, 'v2');
        await home.untag('v1');
        expect(await collect(home.tags())).toEqual(['v2']);
        expect(await home.hasManifest(digest)).toBe(true);
        await expect(home.untag('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));
  });

  describe(`${title}: blobs`, () => {
    const blob = blobOf('some bytes of a layer');
    const empty = blobOf('');

    test.each([
      ['of bytes', blob],
      ['of no bytes', empty],
      ['under sha512', asSha512(blob)],
    ])('%s come back whole, as a stream, and in parts', (_, { descriptor, bytes }) =>
      open(async (home) => {
        expect(await home.hasBlob(descriptor)).toBe(false);
        await home.putBlob(descriptor, () => chunksOf(bytes));
        expect(await home.hasBlob(descriptor)).toBe(true);
        expect(await home.hasBlob({ ...descriptor, size: descriptor.size + 1 })).toBe(false);
        expect(await home.blobSize(descriptor.digest)).toBe(bytes.length);
        expect(Buffer.from(await home.fetchBlob(descriptor))).toEqual(bytes);
        expect(await bytesOf(home.readBlob(descriptor))).toEqual(bytes);
        const part = await bytesOf(home.readBlobPart(descriptor.digest, 2, bytes.length - 3));
        expect(part).toEqual(Buffer.from(bytes).subarray(2, Math.max(2, bytes.length - 3)));
      }),
    );

    test('that are not there are not found', () =>
      open(async (home) => {
        const { descriptor } = blob;
        const attempts = [
          () => home.fetchBlob(descriptor),
          () => home.blobSize(descriptor.digest),
          () => bytesOf(home.readBlob(descriptor)),
          () => bytesOf(home.readBlobPart(descriptor.digest, 0, 1)),
          () => home.deleteBlob(descriptor.digest),
        ];
        for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      }));

    test.each([
      ['other bytes', Buffer.from('SOME bytes of a layer')],
      ['too few', blob.bytes.subarray(1)],
      ['too many', Buffer.concat([blob.bytes, blob.bytes])],
    ])('are refused where %s come, and nothing is stored', (_, bytes) =>
      open(async (home) => {
        const put = home.putBlob(blob.descriptor, () => chunksOf(bytes));
        await expect(put).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        expect(await home.hasBlob(blob.descriptor)).toBe(false);
      }),
    );

    test('whose algorithm is not known are refused', () =>
      open(async (home) => {
        const digest = `blake3:${'0'.repeat(64)}` as typeof blob.descriptor.digest;
        const put = home.putBlob({ ...blob.descriptor, digest }, () => chunksOf(blob.bytes));
        await expect(put).rejects.toMatchObject({ code: 'ERR_MLIST_DIGEST_INVALID' });
      }));

    test('arrive in several goes', () =>
      open(async (home) => {
        const staged = await home.stageBlob();
        await staged.append(chunksOf(blob.bytes.subarray(0, 7)));
        expect(staged.size).toBe(7);
        await staged.append(chunksOf(blob.bytes.subarray(7)));
        await staged.commit(blob.descriptor.digest);
        expect(Buffer.from(await home.fetchBlob(blob.descriptor))).toEqual(blob.bytes);
      }));

    test('keep what came before the source failed', () =>
      open(async (home) => {
        const staged = await home.stageBlob();
        const failing = async function* (): AsyncGenerator<Uint8Array> {
          yield* chunksOf(blob.bytes.subarray(0, 7));
          throw await Promise.resolve(new Error('cut'));
        };
        await expect(staged.append(failing())).rejects.toThrow('cut');
        expect(staged.size).toBe(7);
        await staged.append(chunksOf(blob.bytes.subarray(7)));
        await staged.commit(blob.descriptor.digest);
        expect(await home.hasBlob(blob.descriptor)).toBe(true);
      }));

    test('are deleted', () =>
      open(async (home) => {
        await home.putBlob(blob.descriptor, () => chunksOf(blob.bytes));
        await home.deleteBlob(blob.descriptor.digest);
        expect(await home.hasBlob(blob.descriptor)).toBe(false);
      }));

    test('are mounted from a home of the same kind', () =>
      open((home) =>
        open(async (other) => {
          await other.putBlob(blob.descriptor, () => chunksOf(blob.bytes));
          expect(home.canMountFrom(other)).toBe(true);
          const never = (): AsyncIterable<Uint8Array> => {
            throw new Error('the bytes were asked for');
          };
          expect(await home.mountBlob(blob.descriptor, other, never)).toBe('mounted');
          await other.deleteBlob(blob.descriptor.digest);
          expect(Buffer.from(await home.fetchBlob(blob.descriptor))).toEqual(blob.bytes);
        }),
      ));

    test('are put where they cannot be mounted', () =>
      open((home) =>
        open(async (other) => {
          expect(await home.mountBlob(blob.descriptor, other, () => chunksOf(blob.bytes))).toBe('uploaded');
          expect(await home.hasBlob(blob.descriptor)).toBe(true);
        }),
      ));
  });

  describe(`${title}: referrers`, () => {
    const subject = manifest.descriptor;
    const signature = imageOf('s', { subject, artifactType: 'application/x.sig', annotations: { by: 'me' } }).manifest;
    const plain = imageOf('p', { subject }).manifest;
    const index = indexOf([], { subject, annotations: { of: 'index' } });

    test('are listed with artifact type and annotations, and filtered', () =>
      open(async (home) => {
        for (const content of [signature, plain, index]) await home.putManifest(content, content.descriptor.digest);
        await home.putManifest(imageOf('other').manifest, 'other');
        const expected = [
          { ...signature.descriptor, artifactType: 'application/x.sig', annotations: { by: 'me' } },
          { ...plain.descriptor, artifactType: MediaType.ociConfig },
          { ...index.descriptor, annotations: { of: 'index' } },
        ];
        expect(await home.referrers(subject.digest)).toEqual(expected);
        expect(await home.referrers(subject.digest, 'application/x.sig')).toEqual(expected.slice(0, 1));
        expect(await home.referrers(digest, 'application/x.none')).toEqual([]);
      }));

    test('go when they are deleted', () =>
      open(async (home) => {
        await home.putManifest(plain, plain.descriptor.digest);
        await home.deleteManifest(plain.descriptor.digest);
        expect(await home.referrers(subject.digest)).toEqual([]);
      }));
  });

  test(`${title}: an aborted signal stops the work`, () =>
    open(async (home) => {
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await expect(home.putManifest(manifest, 'v1', { signal })).rejects.toBe(reason);
      await expect(home.fetchManifest('v1', { signal })).rejects.toBe(reason);
      const blob = blobOf('bytes');
      await expect(home.putBlob(blob.descriptor, () => chunksOf(blob.bytes), { signal })).rejects.toBe(reason);
    }));
}

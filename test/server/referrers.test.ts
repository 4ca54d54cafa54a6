import { describe, expect, test } from '@jest/globals';
import { MediaType } from '../../src/oci/media-type.ts';
import { asSha512, blobOf, imageOf, indexOf } from '../store/samples.ts';
import { codesOf, stores, jsonOf, putImage } from './client.ts';

interface Listed {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: string }[];
}

describe.each(stores)('referrers in %s', (_, serve) => {
  const image = imageOf('a');
  const subject = image.manifest.descriptor;
  const path = `/v2/repo/referrers/${subject.digest}`;
  const signature = imageOf('s', { subject, artifactType: 'application/x.sig', annotations: { by: 'me' } });
  const plain = imageOf('p', { subject });
  const index = indexOf([], { subject, artifactType: 'application/x.list' });
  const listed = [
    { ...signature.manifest.descriptor, annotations: { by: 'me' }, artifactType: 'application/x.sig' },
    { ...plain.manifest.descriptor, artifactType: MediaType.ociConfig },
    { ...index.descriptor, artifactType: 'application/x.list' },
  ].sort((left, right) => (left.digest < right.digest ? -1 : 1));

  test('are listed before and after the subject exists', () =>
    serve(async (served) => {
      for (const each of [signature, plain]) await putImage(served, 'repo', each);
      const put = await served.putManifest('repo', index, 'tagged');
      expect(put.headers['oci-subject']).toBe(subject.digest);
      for (let round = 0; round < 2; round += 1) {
        const answer = await served.get(path);
        expect(answer).toMatchObject({ status: 200, headers: { 'content-type': MediaType.ociIndex } });
        expect(answer.headers['oci-filters-applied']).toBeUndefined();
        expect(jsonOf(answer)).toEqual({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: listed });
        await putImage(served, 'repo', image, 'v1');
      }
    }));

  test('are filtered by artifact type', () =>
    serve(async (served) => {
      for (const each of [signature, plain]) await putImage(served, 'repo', each);
      for (const type of ['application/x.sig', MediaType.ociConfig, 'application/x.none']) {
        const answer = await served.get(`${path}?artifactType=${encodeURIComponent(type)}`);
        expect(answer.headers['oci-filters-applied']).toBe('artifactType');
        const expected = listed.filter(({ artifactType }) => artifactType === type).map(({ digest }) => digest);
        expect((jsonOf(answer) as Listed).manifests.map(({ digest }) => digest)).toEqual(expected);
      }
    }));

  test('are also found among the entries of an index', () =>
    serve(async (served) => {
      await putImage(served, 'repo', plain);
      await served.putManifest('repo', indexOf([plain.manifest.descriptor]), 'list');
      expect((jsonOf(await served.get(path)) as Listed).manifests).toHaveLength(1);
    }));

  test('may refer to a sha512 digest', () =>
    serve(async (served) => {
      const other = asSha512(image.manifest).descriptor;
      const referrer = imageOf('r', { subject: other });
      await putImage(served, 'repo', referrer);
      const answer = await served.get(`/v2/repo/referrers/${other.digest}`);
      expect((jsonOf(answer) as Listed).manifests).toHaveLength(1);
    }));

  test('are not listed after their manifests were deleted', () =>
    serve(async (served) => {
      await putImage(served, 'repo', plain);
      await served.send('DELETE', `/v2/repo/manifests/${plain.manifest.descriptor.digest}`);
      expect((jsonOf(await served.get(path)) as Listed).manifests).toEqual([]);
    }));

  test.each([
    ['in a repository that does not exist', `/v2/none/referrers/${subject.digest}`],
    ['of content that does not exist', `/v2/repo/referrers/${blobOf('none').descriptor.digest}`],
  ])('are an empty list %s', (_case, missing) =>
    serve(async (served) => {
      await putImage(served, 'repo', plain);
      const answer = await served.get(missing);
      expect(answer).toMatchObject({ status: 200, headers: { 'content-type': MediaType.ociIndex } });
      expect(jsonOf(answer)).toEqual({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] });
    }),
  );

  test('of an invalid digest are refused', () =>
    serve(async (served) => {
      const answer = await served.get('/v2/repo/referrers/sha256:bad');
      expect([answer.status, ...codesOf(answer)]).toEqual([400, 'DIGEST_INVALID']);
    }));

  test('are paged so that no page is larger than a manifest', () =>
    serve(async (served) => {
      await served.putBlob('repo', image.config);
      const large = ['1', '2', '3'].map((seed) =>
        indexOf([], { subject, artifactType: 'a/b', annotations: { seed, large: 'x'.repeat(2_000_000) } }),
      );
      for (const content of large) await served.putManifest('repo', content);
      const seen: string[] = [];
      let pages = 0;
      for (let next: string | undefined = `${path}?artifactType=a%2Fb`; next !== undefined; pages += 1) {
        const answer = await served.get(next);
        expect(answer.body.length).toBeLessThan(4 * 1024 * 1024);
        expect(answer.headers['oci-filters-applied']).toBe('artifactType');
        seen.push(...(jsonOf(answer) as Listed).manifests.map(({ digest }) => digest));
        next = /^<(.+)>; rel="next"$/.exec(String(answer.headers['link']))?.[1];
      }
      expect(pages).toBe(3);
      expect(seen).toEqual(large.map(({ descriptor }) => descriptor.digest).sort());
    }));
});

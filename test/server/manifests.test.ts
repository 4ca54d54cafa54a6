import { describe, expect, test } from '@jest/globals';
import { MediaType } from '../../src/oci/media-type.ts';
import { asSha512, blobOf, contentOf, imageOf, indexOf } from '../store/samples.ts';
import { codesOf, stores, jsonOf, putImage, putList, type Served } from './client.ts';

describe.each(stores)('manifests in %s', (_, serve) => {
  const image = imageOf('a');
  const { manifest } = image;
  const { digest, size, mediaType } = manifest.descriptor;

  test('are read back byte for byte, by tag and by digest', () =>
    serve(async (served) => {
      const put = await putImage(served, 'some/repo', image, 'v1');
      expect(put.status).toBe(201);
      expect(put.headers).toMatchObject({
        location: `/v2/some/repo/manifests/${digest}`,
        'docker-content-digest': digest,
        etag: `"${digest}"`,
      });
      for (const reference of ['v1', digest, digest.replace(':', '%3A')]) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await served.send(method, `/v2/some/repo/manifests/${reference}`);
          expect(answer.status).toBe(200);
          expect(answer.headers).toMatchObject({
            'content-type': mediaType,
            'content-length': String(size),
            'docker-content-digest': digest,
            etag: `"${digest}"`,
            'docker-distribution-api-version': 'registry/2.0',
          });
          expect(answer.body).toEqual(method === 'GET' ? manifest.bytes : Buffer.alloc(0));
        }
      }
    }));

  test('keep their white space and unknown members', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const text = JSON.stringify(
        { ...(jsonIn(manifest.bytes) as object), 'x.custom': { '2': 1, '1': '<&>' } },
        null,
        3,
      );
      const odd = contentOf(mediaType, `\n${text}\n`);
      expect((await served.putManifest('repo', odd, 'odd')).status).toBe(201);
      expect((await served.get('/v2/repo/manifests/odd')).body).toEqual(odd.bytes);
    }));

  test('may have a sha512 digest', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const other = asSha512(manifest);
      const put = await served.putManifest('repo', other);
      expect(put).toMatchObject({ status: 201, headers: { 'docker-content-digest': other.descriptor.digest } });
      const answer = await served.get(`/v2/repo/manifests/${other.descriptor.digest}`);
      expect(answer).toMatchObject({ status: 200, headers: { 'docker-content-digest': other.descriptor.digest } });
      expect((await served.putManifest('repo', indexOf([other.descriptor]), 'list')).status).toBe(201);
    }));

  test('are stored under the tags in the query', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const put = await served.send('PUT', `/v2/repo/manifests/${digest}?tag=a&tag=b`, {
        headers: { 'content-type': mediaType },
        body: manifest.bytes,
      });
      expect(put).toMatchObject({ status: 201, headers: { 'oci-tag': 'a, b' } });
      for (const tag of ['a', 'b'])
        expect((await served.get(`/v2/repo/manifests/${tag}`)).body).toEqual(manifest.bytes);
    }));

  test('need no mediaType if the Content-Type states it', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const bare = contentOf(
        mediaType,
        JSON.stringify({ ...(jsonIn(manifest.bytes) as object), mediaType: undefined }),
      );
      expect((await served.putManifest('repo', bare, 'bare')).status).toBe(201);
      expect((await served.get('/v2/repo/manifests/bare')).headers['content-type']).toBe(mediaType);
      const headless = await served.send('PUT', '/v2/repo/manifests/headless', { body: manifest.bytes });
      expect(headless.status).toBe(201);
      expect((await served.get('/v2/repo/manifests/headless')).headers['content-type']).toBe(mediaType);
    }));

  const document = { schemaVersion: 2, mediaType, config: image.config.descriptor, layers: [] };
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
  test.each<[string, string, string | object, string?]>([
    ['is not JSON', mediaType, '{'],
    ['is not an object', mediaType, '[]'],
    ['has a duplicate member', mediaType, `{"schemaVersion":2,${JSON.stringify(document).slice(1)}`],
    ['has text after the document', mediaType, `${JSON.stringify(document)}{}`],
    ['is not UTF-8', mediaType, Buffer.from('{"schemaVersion":2,"x":"\xff"}', 'latin1')],
    ['has another Content-Type', MediaType.ociIndex, document],
    ['has an unknown type', 'application/x', { ...document, mediaType: 'application/x' }],
    ['is of schema 1', MediaType.dockerSchema1, { schemaVersion: 1, fsLayers: [] }],
    ['has another schemaVersion', mediaType, { ...document, schemaVersion: 3 }],
    ['has members of two types', MediaType.ociIndex, { ...index, layers: [] }],
    ['is an index with the members of an image', MediaType.ociIndex, { ...document, mediaType: MediaType.ociIndex }],
    ['has no config', mediaType, { ...document, config: undefined }],
    ['has a layer without a digest', mediaType, { ...document, layers: [{ mediaType: 'a/b', size: 1 }] }],
    ['has a negative size', mediaType, { ...document, layers: [{ ...image.config.descriptor, size: -1 }] }],
    [
      'has an entry with a bad digest',
      MediaType.ociIndex,
      { ...index, manifests: [{ mediaType, size: 1, digest: 'sha256:1' }] },
    ],
    ['has an invalid subject', mediaType, { ...document, subject: {} }],
  ])('that %s is refused', (_case, contentType, body) =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
      const put = await served.send('PUT', '/v2/repo/manifests/bad', {
        headers: { 'content-type': contentType },
        body: bytes,
      });
      expect([put.status, ...codesOf(put)]).toEqual([400, 'MANIFEST_INVALID']);
      expect((await served.get('/v2/repo/manifests/bad')).status).toBe(404);
    }),
  );

  test.each([
    ['another digest', blobOf('other').descriptor.digest, 'DIGEST_INVALID'],
    ['a digest of the wrong form', 'sha256:baddigeststring', 'DIGEST_INVALID'],
    ['a digest with an unsupported algorithm', `blake3:${'0'.repeat(64)}`, 'DIGEST_INVALID'],
    ['an invalid tag', '.INVALID', 'TAG_INVALID'],
    ['a tag that is too long', 'x'.repeat(129), 'TAG_INVALID'],
  ])('put under %s are refused', (_case, reference, code) =>
    serve(async (served) => {
      await putImage(served, 'repo', image);
      const put = await served.putManifest('repo', manifest, reference);
      expect([put.status, ...codesOf(put)]).toEqual([400, code]);
      expect((await served.get(`/v2/repo/manifests/${reference}`)).status).toBe(404);
    }),
  );

  test('that are incomplete are refused with the missing digests', () =>
    serve(async (served) => {
      const missing = image.layers[0]!.descriptor.digest;
      await served.putBlob('repo', image.config);
      const put = await served.putManifest('repo', manifest, 'v1');
      expect(put.status).toBe(400);
      expect(jsonOf(put)).toMatchObject({ errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', detail: missing }] });
      const list = await served.putManifest('repo', indexOf([manifest.descriptor, imageOf('b').manifest.descriptor]));
      expect(codesOf(list)).toEqual(['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN']);
      expect((await served.get('/v2/repo/manifests/v1')).status).toBe(404);
    }));

  test('a child that was pushed as a blob is missing as a manifest', () =>
    serve(async (served) => {
      await putImage(served, 'elsewhere', image);
      await served.putBlob('repo', manifest);
      expect((await served.putManifest('repo', indexOf([manifest.descriptor]))).status).toBe(400);
    }));

  test('an index may list content that is not a manifest', () =>
    serve(async (served) => {
      const blob = blobOf('bytes', 'application/x-other');
      expect((await served.putManifest('repo', indexOf([blob.descriptor]))).status).toBe(400);
      await served.putBlob('repo', blob);
      expect((await served.putManifest('repo', indexOf([blob.descriptor]))).status).toBe(201);
    }));

  test('foreign layers and the subject may be missing', () =>
    serve(async (served) => {
      const foreign = blobOf('far away', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip').descriptor;
      const subject = imageOf('missing').manifest.descriptor;
      const odd = imageOf('odd', { layers: [foreign], subject });
      await served.putBlob('repo', odd.config);
      const put = await served.putManifest('repo', odd.manifest, 'odd');
      expect(put).toMatchObject({ status: 201, headers: { 'oci-subject': subject.digest } });
    }));

  test.each<[string, () => ReturnType<typeof contentOf>]>([
    ['an empty index', () => indexOf([])],
    ['an image without layers', () => imageOf('none', { layers: [] }).manifest],
    ['an index of annotations of nearly 4 MB', () => indexOf([], { annotations: { large: 'x'.repeat(3_900_000) } })],
  ])('%s is accepted', (_case, make) =>
    serve(async (served) => {
      await putImage(served, 'repo', imageOf('none'));
      const content = make();
      expect((await served.putManifest('repo', content, 'v1')).status).toBe(201);
      expect((await served.get('/v2/repo/manifests/v1')).body.equals(content.bytes)).toBe(true);
    }),
  );

  test.each([
    ['with a Content-Length', (bytes: Uint8Array) => bytes],
    ['in chunks', (bytes: Uint8Array) => [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)]],
  ])('of more than 4 MiB, sent %s, are refused', (_case, bodyOf) =>
    serve(async (served) => {
      const large = indexOf([], { annotations: { large: 'x'.repeat(4 * 1024 * 1024) } });
      const put = await served.send('PUT', '/v2/repo/manifests/large', {
        headers: { 'content-type': MediaType.ociIndex },
        body: bodyOf(large.bytes),
      });
      expect([put.status, ...codesOf(put)]).toEqual([413, 'SIZE_INVALID']);
    }),
  );

  test('are not sent again if the ETag matches', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image, 'v1');
      const get = (value: string) => served.get('/v2/repo/manifests/v1', { 'if-none-match': value });
      for (const value of [`"${digest}"`, '*', `"x", W/"${digest}"`]) {
        const answer = await get(value);
        expect([answer.status, answer.body.length, answer.headers['docker-content-digest']]).toEqual([304, 0, digest]);
      }
      expect((await get('"sha256:other"')).status).toBe(200);
    }));

  test('are replaced only if the precondition holds', () =>
    serve(async (served) => {
      const other = imageOf('b');
      await putImage(served, 'repo', image, 'v1');
      await putImage(served, 'repo', other);
      const put = (tag: string, headers: object) => served.putManifest('repo', other.manifest, tag, { ...headers });
      const stale = await put('v1', { 'if-match': `"${other.manifest.descriptor.digest}"` });
      expect([stale.status, ...codesOf(stale)]).toEqual([412, 'PRECONDITION_FAILED']);
      expect((await put('new', { 'if-match': '*' })).status).toBe(412);
      expect((await put('v1', { 'if-none-match': '*' })).status).toBe(412);
      expect((await served.get('/v2/repo/manifests/v1')).body).toEqual(manifest.bytes);
      expect((await put('v1', { 'if-match': `"${digest}"` })).status).toBe(201);
      expect((await put('new', { 'if-none-match': '*' })).status).toBe(201);
    }));

  test('put concurrently under one precondition: one of them is accepted', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image, 'v1');
      const others = Array.from({ length: 8 }, (_none, at) => imageOf(`w${at}`));
      for (const other of others) await putImage(served, 'repo', other);
      const puts = others.map((other) =>
        served.putManifest('repo', other.manifest, 'v1', { 'if-match': `"${digest}"` }),
      );
      const statuses = (await Promise.all(puts)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 201)).toHaveLength(1);
      expect(statuses.filter((status) => status === 412)).toHaveLength(7);
    }));

  test('a tag always has a complete manifest', () =>
    serve(async (served) => {
      const images = ['x', 'y'].map((seed) => imageOf(seed));
      for (const each of images) await putImage(served, 'repo', each, 'v1');
      const known = images.map((each) => each.manifest.descriptor.digest);
      let writing = true;
      const reader = (async () => {
        while (writing) {
          const answer = await served.get('/v2/repo/manifests/v1');
          expect(answer.status).toBe(200);
          expect(known).toContain(contentOf(mediaType, answer.body).descriptor.digest);
        }
      })();
      for (let at = 0; at < 20; at += 1) await served.putManifest('repo', images[at % 2]!.manifest, 'v1');
      writing = false;
      await reader;
    }));

  test('are deleted by tag, which keeps the manifest, and by digest, which removes the tags', () =>
    serve(async (served) => {
      await putImage(served, 'repo', image, 'v1');
      await served.putManifest('repo', manifest, 'v2');
      expect((await served.send('DELETE', '/v2/repo/manifests/v1')).status).toBe(202);
      expect(await statuses(served, ['v1', 'v2', digest])).toEqual([404, 200, 200]);
      expect((await served.send('DELETE', `/v2/repo/manifests/${digest}`)).status).toBe(202);
      expect(await statuses(served, ['v2', digest])).toEqual([404, 404]);
      for (const reference of ['v1', digest, 'sha256:baddigeststring']) {
        const again = await served.send('DELETE', `/v2/repo/manifests/${reference}`);
        expect([again.status, ...codesOf(again)]).toEqual([404, 'MANIFEST_UNKNOWN']);
      }
    }));

  test('the children of a deleted list are kept, and so is a list without tags', () =>
    serve(async (served) => {
      const list = await putList(served, 'repo', 'v1');
      const child = imageOf('one').manifest.descriptor.digest;
      expect((await served.send('DELETE', '/v2/repo/manifests/v1')).status).toBe(202);
      expect(await statuses(served, [list.descriptor.digest, child])).toEqual([200, 200]);
      await served.send('DELETE', `/v2/repo/manifests/${list.descriptor.digest}`);
      expect(await statuses(served, [list.descriptor.digest, child])).toEqual([404, 200]);
    }));

  async function statuses(served: Served, references: readonly string[]): Promise<readonly number[]> {
    const answers = await Promise.all(references.map((reference) => served.get(`/v2/repo/manifests/${reference}`)));
    return answers.map(({ status }) => status);
  }

  test.each([
    ['a repository', '/v2/none/manifests/v1', 'NAME_UNKNOWN'],
    ['a tag', '/v2/repo/manifests/none', 'MANIFEST_UNKNOWN'],
    ['a digest', `/v2/repo/manifests/${blobOf('none').descriptor.digest}`, 'MANIFEST_UNKNOWN'],
    ['a digest of the wrong form', '/v2/repo/manifests/sha256:baddigeststring', 'MANIFEST_UNKNOWN'],
    ['an invalid tag', '/v2/repo/manifests/.INVALID', 'MANIFEST_UNKNOWN'],
  ])('%s that does not exist is not found', (_case, path, code) =>
    serve(async (served) => {
      await putImage(served, 'repo', image, 'v1');
      const answer = await served.get(path);
      expect([answer.status, ...codesOf(answer)]).toEqual([404, code]);
      expect(await served.send('HEAD', path)).toMatchObject({ status: 404, body: Buffer.alloc(0) });
    }),
  );
});

function jsonIn(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString());
}

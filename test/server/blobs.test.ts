import { open, rename, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { ManifestContent } from '../../src/store/store.ts';
import { asSha512, blobOf, bytesOf, imageOf, withFolder } from '../store/samples.ts';
import { codesOf, stores, putImage, withRegistry, type Served } from './client.ts';

describe.each(stores)('blobs in %s', (_, serve) => {
  const blob = blobOf(Buffer.from(Array.from({ length: 2048 }, (_none, at) => at % 251)));
  const { digest } = blob.descriptor;
  const path = `/v2/repo/blobs/${digest}`;

  test.each([
    ['of bytes', blob],
    ['without bytes', blobOf('')],
    ['of an empty object', blobOf('{}')],
    ['under sha512', asSha512(blob)],
  ])('%s are read back', (_case, content) =>
    serve(async (served) => {
      const put = await served.putBlob('repo', content);
      const location = `/v2/repo/blobs/${content.descriptor.digest}`;
      expect(put).toMatchObject({ status: 201, headers: { location } });
      for (const method of ['GET', 'HEAD']) {
        const answer = await served.send(method, location);
        expect(answer).toMatchObject({
          status: 200,
          headers: {
            'content-length': String(content.descriptor.size),
            'content-type': 'application/octet-stream',
            'docker-content-digest': content.descriptor.digest,
            'accept-ranges': 'bytes',
          },
        });
        expect(answer.body).toEqual(method === 'GET' ? content.bytes : Buffer.alloc(0));
      }
    }),
  );

  test.each<[string, number, number, string]>([
    ['bytes=500-1499', 500, 1500, 'bytes 500-1499/2048'],
    ['bytes=500-', 500, 2048, 'bytes 500-2047/2048'],
    ['bytes=-500', 1548, 2048, 'bytes 1548-2047/2048'],
    ['bytes=-5000', 0, 2048, 'bytes 0-2047/2048'],
    ['bytes=2000-5000', 2000, 2048, 'bytes 2000-2047/2048'],
    ['bytes=0-0', 0, 1, 'bytes 0-0/2048'],
  ])('are sent in ranges: %s', (range, start, end, contentRange) =>
    serve(async (served) => {
      await served.putBlob('repo', blob);
      const answer = await served.get(path, { range });
      expect(answer).toMatchObject({
        status: 206,
        headers: { 'content-range': contentRange, 'content-length': String(end - start) },
      });
      expect(answer.body).toEqual(Buffer.from(blob.bytes).subarray(start, end));
    }),
  );

  test.each(['bytes=500-0', 'bytes=2048-', 'bytes=5000-10000', 'bytes=-0'])('cannot satisfy the range %s', (range) =>
    serve(async (served) => {
      await served.putBlob('repo', blob);
      const answer = await served.get(path, { range });
      expect([answer.status, ...codesOf(answer)]).toEqual([416, 'RANGE_INVALID']);
      expect(answer.headers['content-range']).toBe('bytes */2048');
    }),
  );

  test.each([
    [{ range: 'lines=1-2' }],
    [{ range: 'bytes=-' }],
    [{ range: 'bytes=0-1,4-5' }],
    [{ range: 'bytes=0-1', 'if-range': '"other"' }],
  ])('are sent completely if the range is not supported: %j', (headers) =>
    serve(async (served) => {
      await served.putBlob('repo', blob);
      const answer = await served.get(path, headers);
      expect([answer.status, answer.body.equals(blob.bytes)]).toEqual([200, true]);
    }),
  );

  test('are not sent again if the ETag matches, but a range of them is', () =>
    serve(async (served) => {
      await served.putBlob('repo', blob);
      expect((await served.get(path, { 'if-none-match': `"${digest}"` })).status).toBe(304);
      expect((await served.get(path, { range: 'bytes=0-1', 'if-range': `"${digest}"` })).status).toBe(206);
    }));

  test('are deleted', () =>
    serve(async (served) => {
      await served.putBlob('repo', blob);
      expect((await served.send('DELETE', path)).status).toBe(202);
      expect((await served.send('HEAD', path)).status).toBe(404);
      const again = await served.send('DELETE', path);
      expect([again.status, ...codesOf(again)]).toEqual([404, 'BLOB_UNKNOWN']);
    }));

  test.each([
    ['a repository', `/v2/none/blobs/${digest}`, 404, 'NAME_UNKNOWN'],
    ['a blob', `/v2/repo/blobs/${blobOf('none').descriptor.digest}`, 404, 'BLOB_UNKNOWN'],
    ['a digest of the wrong form', '/v2/repo/blobs/sha256:bad', 400, 'DIGEST_INVALID'],
    ['an unsupported algorithm', `/v2/repo/blobs/x:${'0'.repeat(64)}`, undefined, undefined],
  ])('%s that does not exist is not found', (_case, missing, status, code) =>
    serve(async (served) => {
      await served.putBlob('repo', blob);
      const answer = await served.get(missing);
      if (status === undefined) expect([400, 404]).toContain(answer.status);
      else expect([answer.status, ...codesOf(answer)]).toEqual([status, code]);
    }),
  );
});

describe('blobs in a folder', () => {
  const blob = blobOf(Buffer.alloc(5_000_000, 'x'));
  const pathOf = ({ descriptor }: ManifestContent) => `/v2/repo/blobs/${descriptor.digest}`;

  /** Serves the blob, and expects the last request to be reported as damaged content. */
  function withBlob(blob: ManifestContent, work: (served: Served, file: string) => Promise<void>): Promise<void> {
    return withFolder(async (dir) => {
      const faults: unknown[] = [];
      const onRequest = ({ fault }: { readonly fault?: unknown }): void => void faults.push(fault);
      await withRegistry({ dir, onRequest }, async (served) => {
        await served.putBlob('repo', blob);
        await work(served, join(dir, 'repo', 'blobs', ...blob.descriptor.digest.split(':')));
      });
      expect(faults.at(-1)).toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
    });
  }

  async function damage(file: string): Promise<void> {
    const handle = await open(file, 'r+');
    await handle.write('y', (await handle.stat()).size - 1);
    await handle.close();
  }

  test.each<[string, (file: string) => Promise<void>]>([
    ['after it was pulled', damage],
    [
      'by another file in its place',
      async (file) => {
        await writeFile(`${file}.new`, Buffer.alloc(blob.bytes.length, 'y'));
        await rename(`${file}.new`, file);
      },
    ],
  ])('a blob that is damaged %s closes the connection before the end of the response', (_case, change) =>
    withBlob(blob, async (served, file) => {
      for (let pulls = 0; pulls < 2; pulls += 1) {
        expect((await served.get(pathOf(blob))).body.equals(blob.bytes)).toBe(true);
      }
      await change(file);
      for (let pulls = 0; pulls < 2; pulls += 1) await expect(served.get(pathOf(blob))).rejects.toThrow();
    }),
  );

  test('a blob that is damaged while it is sent closes the connection before the end of the response', () => {
    const large = blobOf(Buffer.alloc(20_000_000, 'x'));
    return withBlob(large, async (served, file) => {
      const response = await new Promise<IncomingMessage>((resolve, reject) =>
        get(served.url + pathOf(large), { agent: false }, resolve).on('error', reject),
      );
      // Most of the blob is not sent yet, since nobody reads it.
      await damage(file);
      await expect(bytesOf(response as AsyncIterable<Uint8Array>)).rejects.toThrow();
    });
  });

  test('DELETE of a blob refuses a manifest', () =>
    withFolder((dir) =>
      withRegistry({ dir }, async (served) => {
        const image = imageOf('a');
        await putImage(served, 'repo', image, 'v1');
        const answer = await served.send('DELETE', `/v2/repo/blobs/${image.manifest.descriptor.digest}`);
        expect([answer.status, ...codesOf(answer)]).toEqual([405, 'UNSUPPORTED']);
        expect((await served.get('/v2/repo/manifests/v1')).status).toBe(200);
      }),
    ));
});

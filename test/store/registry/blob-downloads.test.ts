import { describe, expect, test } from '@jest/globals';
import type { ManifestContent, ContentReader } from '../../../src/store/store.ts';
import { answer, type Rule } from '../../support/recording-proxy.ts';
import { MAX_DOCUMENT_BYTES } from '../../../src/json/parse.ts';
import { parseDigest } from '../../../src/oci/digest.ts';
import { bytesOf } from '../samples.ts';
import { layerOf, put, repository, served, session } from './setup.ts';

const MIB = 1024 * 1024;

/** Jest compares buffers of this length element by element, which takes seconds. */
async function expectBlob(source: ContentReader, { descriptor, bytes }: ManifestContent): Promise<void> {
  expect((await bytesOf(source.readBlob(descriptor))).equals(bytes)).toBe(true);
}

describe('downloads', () => {
  test('continue with a range after each broken connection', async () => {
    const { proxy, host } = await served();
    const source = repository(session(), host, 'repo');
    const blob = layerOf(3 * MIB);
    await put(source, blob);
    proxy.clear();
    proxy.on(/^GET .*blobs/, ({ pass }) => pass({ cutAfter: MIB }), 2);
    await expectBlob(source, blob);
    expect(proxy.requests.map(({ headers, status }) => [headers.range, status])).toEqual([
      [undefined, 0],
      [`bytes=${MIB}-`, 0],
      [`bytes=${2 * MIB}-`, 206],
    ]);
  });

  test('continue if the registry ignores the range', async () => {
    const { proxy, host } = await served();
    const source = repository(session(), host, 'repo');
    const blob = layerOf(MIB);
    await put(source, blob);
    proxy.on(/^GET .*blobs/, (exchange) => {
      delete exchange.request.headers.range;
      return exchange.pass();
    });
    proxy.on(/^GET .*blobs/, ({ pass }) => pass({ cutAfter: 1000 }), 1);
    await expectBlob(source, blob);
  });

  test('succeed if only the end of the response was lost', async () => {
    const { proxy, host } = await served();
    const source = repository(session(), host, 'repo');
    const blob = layerOf(MIB);
    proxy.on(/^GET .*blobs/, ({ response }) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.write(blob.bytes, () => setImmediate(() => response.destroy()));
    });
    await expectBlob(source, blob);
    expect(proxy.requests).toHaveLength(1);
  });

  test('continue after a part that is shorter than requested', async () => {
    const { proxy, host } = await served();
    const blob = layerOf(3 * MIB);
    proxy.on(/^GET .*blobs/, (exchange) => {
      const start = Number(/\d+/.exec(exchange.seen.headers.range ?? '')?.[0]);
      const end = Math.min(start + MIB, blob.bytes.length);
      const range = { 'content-range': `bytes ${start}-${end - 1}/${blob.bytes.length}` };
      return answer(206, range, blob.bytes.subarray(start, end))(exchange);
    });
    const cut: Rule = ({ response }) => {
      response.writeHead(200, { 'content-length': blob.bytes.length });
      response.write(blob.bytes.subarray(0, 1000), () => setImmediate(() => response.destroy()));
    };
    proxy.on(/^GET .*blobs/, cut, 1);
    await expectBlob(repository(session({ retries: 1 }), host, 'repo'), blob);
    const starts = [1000, 1000 + MIB, 1000 + 2 * MIB];
    expect(proxy.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      ...starts.map((start) => `bytes=${start}-`),
    ]);
  });

  test.each(['bytes 999-1999/1048576', 'bytes 1000-999/1048576', 'bytes 1000-1048576/1048576', 'bytes 1000-1999/9'])(
    'take no part for what it is not: %s',
    async (range) => {
      const { proxy, host } = await served();
      const source = repository(session({ retries: 1 }), host, 'repo');
      const blob = layerOf(MIB);
      proxy.on(/^GET .*blobs/, answer(206, { 'content-range': range }, 'x'.repeat(1000)));
      proxy.on(/^GET .*blobs/, ({ pass }) => pass({ cutAfter: 1000 }), 1);
      await put(source, blob);
      await expect(bytesOf(source.readBlob(blob.descriptor))).rejects.toThrow('was requested from byte 1000 on');
    },
  );

  test('fail after attempts without progress', async () => {
    const { proxy, host } = await served();
    const source = repository(session({ retries: 2 }), host, 'repo');
    const blob = layerOf(MIB);
    await put(source, blob);
    proxy.on(/^GET .*blobs/, ({ pass }) => pass({ cutAfter: 0 }));
    await expect(bytesOf(source.readBlob(blob.descriptor))).rejects.toMatchObject({ code: 'ERR_MLIST_NETWORK' });
    expect(proxy.requestsMatching(/^GET/)).toHaveLength(3);
  });

  test('into memory are limited to the size of a document', async () => {
    const source = repository(session(), 'localhost:1', 'repo');
    const descriptor = { ...layerOf(1).descriptor, size: MAX_DOCUMENT_BYTES + 1 };
    await expect(source.fetchBlob(descriptor)).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
  });

  test('with an unsupported digest algorithm are refused with the supported ones', async () => {
    const { proxy, host } = await served();
    proxy.on(/^GET .*blobs/, answer(200, {}, 'x'));
    const descriptor = { ...layerOf(1).descriptor, digest: parseDigest(`sha3-256:${'0'.repeat(64)}`) };
    await expect(repository(session(), host, 'repo').fetchBlob(descriptor)).rejects.toMatchObject({
      code: 'ERR_MLIST_CONTENT_MISMATCH',
      hint: 'mlist can verify sha256, sha384 and sha512.',
    });
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { Repository } from '../../../src/store/registry/repository.ts';
import type { ManifestContent, ContentOptions, ContentReader } from '../../../src/store/store.ts';
import { answer, cutUpload, reset } from '../../support/recording-proxy.ts';
import { asSha512, bytesOf, imageOf } from '../samples.ts';
import { layerOf, pieces, put, repository, served, session, type TestSession } from './setup.ts';

const MIB = 1024 * 1024;

function opened(content: ManifestContent, count: { opened: number } = { opened: 0 }): () => AsyncIterable<Uint8Array> {
  return () => {
    count.opened += 1;
    return pieces(content.bytes);
  };
}

/** Jest compares buffers of this length element by element, which takes seconds. */
async function expectBlob(source: ContentReader, { descriptor, bytes }: ManifestContent): Promise<void> {
  expect((await bytesOf(source.readBlob(descriptor))).equals(bytes)).toBe(true);
}

describe('uploads', () => {
  test('take two requests, and never a chunked body', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    for (const blob of [layerOf(3 * MIB), layerOf(1), layerOf(0)]) {
      proxy.clear();
      await put(target, blob);
      expect(proxy.requests.map(({ method, status }) => [method, status])).toEqual([
        ['POST', 202],
        ['PUT', 201],
      ]);
      expect(proxy.requests.map(({ headers }) => headers['transfer-encoding'])).toEqual([undefined, undefined]);
      expect(proxy.requests.map(({ headers }) => headers['content-length'])).toEqual(['0', String(blob.bytes.length)]);
      await expectBlob(target, blob);
    }
  });

  test('announce another digest algorithm at the beginning', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const blob = asSha512(layerOf(1000));
    await put(target, blob);
    expect(proxy.requests[0]!.path).toContain('?digest-algorithm=sha512');
    await expectBlob(target, blob);
  });

  test('continue at the offset of the registry', async () => {
    const { proxy, host, upstream } = await served();
    const target = repository(session(), host, 'repo');
    const blob = layerOf(3 * MIB);
    proxy.on(/^PUT .*uploads/, cutUpload(MIB, upstream), 1);
    await put(target, blob);
    expect(proxy.requests.map(({ method }) => method)).toEqual(['POST', 'PUT', 'GET', 'PUT']);
    const last = proxy.requests.at(-1)!;
    expect(last.received).toBe(2 * MIB);
    expect(last.headers['content-range']).toBe(`${MIB}-${3 * MIB - 1}`);
    await expectBlob(target, blob);
  });

  test.each([404, 405, 500])('start again if the registry states no offset: GET answers %d', async (status) => {
    const { proxy, host } = await served();
    const target = repository(session({ retries: 2 }), host, 'repo');
    const blob = layerOf(MIB);
    proxy.on(/^PUT .*uploads/, reset, 1);
    proxy.on(/^GET .*uploads/, answer(status));
    await put(target, blob);
    expect(proxy.requestsMatching(/^POST/)).toHaveLength(2);
    expect(proxy.requests.at(-1)).toMatchObject({ method: 'PUT', received: MIB, status: 201 });
  });

  test('succeed if only the response was lost', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    proxy.on(/^PUT .*uploads/, ({ pass }) => pass({ loseResponse: true }), 1);
    await put(target, layerOf(MIB));
    expect(proxy.requestsMatching(/^PUT/)).toHaveLength(1);
    expect(proxy.requestsMatching(/^POST/)).toHaveLength(1);
  });

  test.each([500, 503, 408, 429])('are retried after a PUT with status %d', async (status) => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const blob = layerOf(MIB);
    proxy.on(/^PUT .*uploads/, answer(status, { 'retry-after': '0' }), 2);
    await put(target, blob);
    await expectBlob(target, blob);
  });

  test('are sent in smaller requests after 413', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const blob = layerOf(5 * MIB);
    proxy.on(/^(?:PUT|PATCH) .*uploads/, (exchange) => {
      const length = Number(exchange.seen.headers['content-length']);
      return length > 2 * MIB ? answer(413)(exchange) : exchange.pass();
    });
    await put(target, blob);
    expect(proxy.requestsMatching(/^(?:PUT|PATCH)/).every(({ received }) => received <= 5 * MIB)).toBe(true);
    expect(proxy.requestsMatching(/^PATCH/).length).toBeGreaterThanOrEqual(2);
    await expectBlob(target, blob);
  });

  test('are sent in chunks if the registry states a minimum length', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const blob = layerOf(70 * MIB);
    proxy.on(/^POST/, ({ pass }) => pass({ headers: { 'oci-chunk-min-length': String(MIB) } }));
    const count = { opened: 0 };
    await target.putBlob(blob.descriptor, opened(blob, count));
    expect(proxy.requests.map(({ method, received }) => [method, received])).toEqual([
      ['POST', 0],
      ['PATCH', 64 * MIB],
      ['PUT', 6 * MIB],
    ]);
    expect(proxy.requests[1]!.headers['content-range']).toBe(`0-${64 * MIB - 1}`);
    expect(count.opened).toBe(1);
  });

  test('fail if the source ends too early, without blame of the registry', async () => {
    const { host } = await served();
    const { descriptor, bytes } = layerOf(10);
    const open = () => pieces(bytes.subarray(0, 5));
    await expect(repository(session(), host, 'repo').putBlob(descriptor, open)).rejects.toMatchObject({
      code: 'ERR_MLIST_CONTENT_MISMATCH',
      message: expect.stringContaining('cannot be uploaded: its source ended after 5 bytes') as unknown,
      hint: 'Check the source: it is damaged, or was changed during the upload.',
    });
  });

  test('fail if the registry accepts chunks without progress', async () => {
    const { proxy, host } = await served();
    const target = repository(session({ retries: 1 }), host, 'repo');
    proxy.on(/^POST/, ({ pass }) => pass({ headers: { 'oci-chunk-min-length': String(MIB) } }));
    proxy.on(/^PATCH/, answer(202, { range: '0-99' }));
    await expect(put(target, layerOf(70 * MIB))).rejects.toThrow('did not increase the offset');
    expect(proxy.requestsMatching(/^(?:POST|PATCH)/).map(({ method }) => method)).toEqual([
      ...['POST', 'PATCH', 'PATCH'],
      ...['POST', 'PATCH', 'PATCH'],
    ]);
  });

  test.each([
    ['a piece is changed', (bytes: Uint8Array) => Buffer.from(bytes).fill(0, 10, 11), 'DIGEST_INVALID'],
    ['it ends too early', (bytes: Uint8Array) => bytes.subarray(0, -1), 'source ended after'],
  ])('fail if the bytes do not match the descriptor: %s', async (_name, change, message) => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const { descriptor, bytes } = layerOf(MIB);
    await expect(target.putBlob(descriptor, () => pieces(change(bytes)))).rejects.toThrow(message);
    expect(proxy.requestsMatching(/^PUT/).every(({ status }) => status !== 201)).toBe(true);
    expect(await target.hasBlob(descriptor)).toBe(false);
  });

  test('are cancelled before they start again', async () => {
    const { proxy, host } = await served();
    const target = repository(session({ retries: 2 }), host, 'repo');
    proxy.on(/^PUT .*uploads/, answer(500), 2);
    proxy.on(/^GET .*uploads/, answer(500));
    await put(target, layerOf(MIB));
    expect(proxy.requestsMatching(/^(?:POST|DELETE|PUT)/).map(({ method, status }) => [method, status])).toEqual([
      ...[['POST', 202], ['PUT', 500], ['DELETE', 204]], // prettier-ignore
      ...[['POST', 202], ['PUT', 500], ['DELETE', 204]], // prettier-ignore
      ...[['POST', 202], ['PUT', 201]], // prettier-ignore
    ]);
  });

  test.each<[string, (leaving: AbortController, from: TestSession) => unknown]>([
    ['their caller aborts', (leaving) => leaving.abort(new Error('enough'))],
    ['the session is closed', (_, from) => from.close()],
  ])('are cancelled during a request if %s', async (_name, leave) => {
    const { proxy, host } = await served();
    const from = session();
    const leaving = new AbortController();
    const { descriptor, bytes } = layerOf(MIB);
    async function* stalled(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, MIB / 2);
      while (proxy.requestsMatching(/^PUT/)[0]?.received !== MIB / 2) await sleep(5);
      await leave(leaving, from);
      yield bytes.subarray(MIB / 2);
    }
    const putting = repository(from, host, 'repo').putBlob(descriptor, stalled, { signal: leaving.signal });
    await expect(putting).rejects.toThrow(/enough|session was closed/);
    expect(proxy.requests.at(-1)).toMatchObject({ method: 'DELETE', status: 204 });
  });

  test.each([
    [
      'an upload',
      (target: Repository, blob: ManifestContent, options: ContentOptions) =>
        target.putBlob(blob.descriptor, opened(blob), options),
    ],
    [
      'a mount',
      (target: Repository, blob: ManifestContent, options: ContentOptions) =>
        target.mountBlob(blob.descriptor, repository(session(), target.domain, 'source'), opened(blob), options),
    ],
  ])('are cancelled if the response that opens them comes after the abort: %s', async (_name, begin) => {
    const { proxy, host } = await served();
    const leaving = new AbortController();
    proxy.on(/^POST/, async ({ pass }) => {
      leaving.abort(new Error('enough'));
      await pass();
    });
    const target = repository(session(), host, 'repo');
    await expect(begin(target, layerOf(MIB), { signal: leaving.signal })).rejects.toThrow('enough');
    expect(proxy.requests.map(({ method, status }) => [method, status])).toEqual([
      ['POST', 202],
      ['DELETE', 204],
    ]);
  });

  test('are cancelled at the registry when they fail', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const { descriptor, bytes } = layerOf(MIB);
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 1000);
      throw await Promise.resolve(new Error('the disk is gone'));
    }
    await expect(target.putBlob(descriptor, failing)).rejects.toThrow('the disk is gone');
    expect(proxy.requests.at(-1)).toMatchObject({ method: 'DELETE', status: 204 });
  });

  test('keep the query of a location unchanged', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const blob = layerOf(1000);
    const query = '_state=a%2Fb+c%3D%3D&x=%7E~';
    proxy.on(/^POST/, async (exchange) => {
      const { response } = exchange;
      const write = response.writeHead.bind(response);
      response.writeHead = ((status: number, headers: Record<string, string>) =>
        write(status, { ...headers, location: `${headers['location']!}?${query}` })) as typeof response.writeHead;
      await exchange.pass();
    });
    await put(target, blob);
    expect(proxy.requests.at(-1)!.path).toContain(`?${query}&digest=sha256%3A`);
  });
});

describe('mounts', () => {
  test('take one request', async () => {
    const { proxy, host } = await served();
    const from = session();
    const [source, target] = [repository(from, host, 'source'), repository(from, host, 'target')];
    const blob = layerOf(1000);
    await put(source, blob);
    proxy.clear();
    expect(await target.mountBlob(blob.descriptor, source, opened(blob))).toBe('mounted');
    expect(proxy.requests.map(({ method, status }) => [method, status])).toEqual([['POST', 201]]);
    expect(proxy.requests[0]!.headers['content-length']).toBe('0');
  });

  test('with status 202 continue the upload that was opened', async () => {
    const { proxy, host } = await served();
    const from = session();
    const blob = layerOf(1000);
    const target = repository(from, host, 'target');
    expect(await target.mountBlob(blob.descriptor, repository(from, host, 'source'), opened(blob))).toBe('uploaded');
    expect(proxy.requests.map(({ method, status }) => [method, status])).toEqual([
      ['POST', 202],
      ['PUT', 201],
    ]);
  });

  test.each([400, 401, 403, 404, 405, 410, 422])('with status %d become uploads', async (status) => {
    const { proxy, host } = await served();
    const from = session();
    const blob = layerOf(1000);
    const target = repository(from, host, 'target');
    proxy.on(/^POST .*mount=/, answer(status));
    expect(await target.mountBlob(blob.descriptor, repository(from, host, 'source'), opened(blob))).toBe('uploaded');
    expect(proxy.requestsMatching(/^POST .*uploads\/$/)).toHaveLength(1);
  });

  test.each([408, 429, 500, 502])('with status %d are retried', async (status) => {
    const { proxy, host } = await served();
    const from = session();
    const [source, target] = [repository(from, host, 'source'), repository(from, host, 'target')];
    const blob = layerOf(1000);
    await put(source, blob);
    proxy.on(/^POST .*mount=/, answer(status, { 'retry-after': '0' }), 2);
    expect(await target.mountBlob(blob.descriptor, source, opened(blob))).toBe('mounted');
  });
});

describe('one blob', () => {
  test('that several callers send to one repository is sent once', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const blob = layerOf(MIB);
    await Promise.all(Array.from({ length: 8 }, () => put(target, blob)));
    expect(proxy.requestsMatching(/^PUT/)).toHaveLength(1);
  });

  test('that several callers send to different repositories is sent once, and mounted', async () => {
    const { proxy, host } = await served();
    const from = session();
    const blob = layerOf(MIB);
    const targets = ['a', 'b', 'c', 'd'].map((path) => repository(from, host, path));
    await Promise.all(targets.map((target) => put(target, blob)));
    expect(proxy.requestsMatching(/^PUT/)).toHaveLength(1);
    expect(proxy.requestsMatching(/^POST .*mount=/)).toHaveLength(3);
    for (const target of targets) expect(await target.hasBlob(blob.descriptor)).toBe(true);
  });

  test('is sent by the next caller if the first one fails', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const blob = layerOf(MIB);
    const leaving = new AbortController();
    proxy.on(/^PUT/, () => leaving.abort(new Error('enough')), 1);
    const first = target.putBlob(blob.descriptor, opened(blob), { signal: leaving.signal });
    const second = put(target, blob);
    await expect(first).rejects.toThrow('enough');
    await second;
    expect(await target.hasBlob(blob.descriptor)).toBe(true);
  });

  test('that several callers read at once is requested once', async () => {
    const { proxy, host } = await served();
    const target = repository(session(), host, 'repo');
    const { config } = imageOf('x');
    await put(target, config);
    proxy.clear();
    await Promise.all(Array.from({ length: 8 }, () => target.fetchBlob(config.descriptor)));
    expect(proxy.requests).toHaveLength(1);
  });
});

test.each([1, 2])(
  'a stream from and to one registry with %d place(s) does not wait for itself',
  async (concurrency) => {
    const { host } = await served();
    const from = session({ concurrency });
    const source = repository(from, host, 'source');
    const blobs = Array.from({ length: 3 }, (_, at) => layerOf(2 * MIB, String(at)));
    for (const blob of blobs) await put(source, blob);
    const other = repository(session({ concurrency }), host, 'target');
    const copy = ({ descriptor }: ManifestContent, target: typeof other, read: ContentReader) =>
      target.putBlob(descriptor, () => read.readBlob(descriptor));
    await Promise.all(blobs.map((blob) => copy(blob, repository(from, host, 'target'), source)));
    await Promise.all(blobs.map((blob) => copy(blob, other, source)));
  },
);

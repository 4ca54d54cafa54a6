import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { MemoryStore } from '../../src/store/memory.ts';
import { UploadSessions } from '../../src/server/upload-sessions.ts';
import { asSha512, blobOf, chunksOf, sha512Of, withFolder } from '../store/samples.ts';
import { codesOf, stores, withRegistry, type Answer, type Served } from './client.ts';

async function begin(served: Served, name = 'repo'): Promise<string> {
  const answer = await served.send('POST', `/v2/${name}/blobs/uploads/`);
  expect(answer.status).toBe(202);
  return answer.headers.location!;
}

async function has(served: Served, digest: string, name = 'repo'): Promise<boolean> {
  return (await served.send('HEAD', `/v2/${name}/blobs/${digest}`)).status === 200;
}

function patch(served: Served, location: string, bytes: Uint8Array, range?: string): Promise<Answer> {
  const headers = range === undefined ? {} : { 'content-range': range };
  return served.send('PATCH', location, { headers, body: bytes });
}

describe.each(stores)('uploads to %s', (_, serve) => {
  const blob = blobOf('0123456789abcdefghijklmnopqrstuvwxyz');
  const { bytes, descriptor } = blob;
  const { digest } = descriptor;
  const created = { status: 201, headers: { location: `/v2/repo/blobs/${digest}`, 'docker-content-digest': digest } };

  test.each([
    ['POST', () => `/v2/repo/blobs/uploads/?digest=${digest}`],
    ['PATCH', (location: string) => location],
    ['PUT', (location: string) => `${location}?digest=${digest}`],
  ])('by %s end when the repository is deleted', (method, pathOf) =>
    serve(async (served) => {
      const path = pathOf(await begin(served));
      const sending = request(served.url + path, { method, agent: false, headers: { 'content-length': bytes.length } });
      const answered = new Promise<number>((resolve, reject) => {
        sending.on('response', (response) => resolve(response.resume().statusCode ?? 0));
        sending.on('error', reject);
      });
      await new Promise((resolve) => sending.write(bytes.subarray(0, 9), resolve));
      while (!/^mlist_http_requests_running 2$/m.test((await served.get('/metrics')).body.toString())) await sleep(5);
      await served.send('DELETE', '/v2/repo/_mlist/repository');
      sending.end(bytes.subarray(9));
      expect(await answered).toBe(404);
      expect(await has(served, digest)).toBe(false);
      expect(await served.putBlob('repo', blob)).toMatchObject(created);
    }),
  );

  test('by POST alone', () =>
    serve(async (served) => {
      expect(await served.putBlob('repo', blob)).toMatchObject(created);
      expect(await has(served, digest)).toBe(true);
    }));

  test('by POST and PUT', () =>
    serve(async (served) => {
      const location = await begin(served);
      const put = await served.send('PUT', `${location}?digest=${encodeURIComponent(digest)}`, { body: bytes });
      expect(put).toMatchObject(created);
      expect((await served.get(put.headers.location!)).body).toEqual(bytes);
      expect((await served.get(location)).status).toBe(404);
    }));

  test('by POST and PUT without a length', () =>
    serve(async (served) => {
      const location = await begin(served);
      const put = await served.send('PUT', `${location}?digest=${digest}`, {
        body: [bytes.subarray(0, 9), bytes.subarray(9)],
      });
      expect(put).toMatchObject(created);
    }));

  test('by a streaming PATCH', () =>
    serve(async (served) => {
      const location = await begin(served);
      const patched = await served.send('PATCH', location, { body: [bytes.subarray(0, 9), bytes.subarray(9)] });
      expect(patched).toMatchObject({ status: 202, headers: { range: '0-35' } });
      expect(await served.send('PUT', `${patched.headers.location!}?digest=${digest}`)).toMatchObject(created);
    }));

  test.each([
    ['closed by an empty PUT', 36],
    ['with the last chunk in the PUT', 30],
  ])('in chunks, %s', (_case, sent) =>
    serve(async (served) => {
      let location = await begin(served);
      for (let at = 0; at < sent; at += 10) {
        const end = Math.min(at + 10, sent);
        const patched = await patch(served, location, bytes.subarray(at, end), `${at}-${end - 1}`);
        expect(patched).toMatchObject({ status: 202, headers: { range: `0-${end - 1}` } });
        location = patched.headers.location!;
      }
      const put = await served.send('PUT', `${location}?digest=${digest}`, {
        body: bytes.subarray(sent),
        headers: sent === 36 ? {} : { 'content-range': `${sent}-35` },
      });
      expect(put).toMatchObject(created);
      expect((await served.get(put.headers.location!)).body).toEqual(bytes);
    }),
  );

  test.each([
    ['PATCH', '20-29'],
    ['PATCH', '0-9'],
    ['PUT', '20-29'],
  ])('a %s out of order is refused, and the upload can be continued', (method, range) =>
    serve(async (served) => {
      const location = await begin(served);
      await patch(served, location, bytes.subarray(0, 10), '0-9');
      const target = method === 'PUT' ? `${location}?digest=${digest}` : location;
      const wrong = await served.send(method, target, {
        headers: { 'content-range': range },
        body: bytes.subarray(20, 30),
      });
      expect([wrong.status, ...codesOf(wrong)]).toEqual([416, 'BLOB_UPLOAD_INVALID']);
      const status = await served.get(location);
      expect(status).toMatchObject({ status: 204, headers: { range: '0-9', location } });
      expect((await patch(served, location, bytes.subarray(10), '10-35')).status).toBe(202);
      expect(await served.send('PUT', `${location}?digest=${digest}`)).toMatchObject(created);
    }),
  );

  test.each(['bytes 0-9/36', '9-0', '0-8', 'x'])('a chunk with the range %j is refused', (range) =>
    serve(async (served) => {
      const answer = await patch(served, await begin(served), bytes.subarray(0, 10), range);
      expect([answer.status, ...codesOf(answer)]).toEqual([400, 'BLOB_UPLOAD_INVALID']);
    }),
  );

  test.each<[string, (served: Served, wrong: string) => Promise<Answer>]>([
    ['POST', (served, wrong) => served.send('POST', `/v2/repo/blobs/uploads/?digest=${wrong}`, { body: bytes })],
    ['PUT', async (served, wrong) => served.send('PUT', `${await begin(served)}?digest=${wrong}`, { body: bytes })],
    [
      'PATCH and PUT',
      async (served, wrong) => {
        const location = await begin(served);
        await patch(served, location, bytes);
        const put = await served.send('PUT', `${location}?digest=${wrong}`);
        expect((await served.get(location)).status).toBe(404);
        return put;
      },
    ],
  ])('of other bytes by %s are refused, and nothing is stored', (_case, upload) =>
    serve(async (served) => {
      for (const wrong of [blobOf('other').descriptor.digest, sha512Of(Buffer.from('other'))]) {
        const answer = await upload(served, wrong);
        expect([answer.status, ...codesOf(answer)]).toEqual([400, 'DIGEST_INVALID']);
        expect(await has(served, wrong)).toBe(false);
        expect(await has(served, digest)).toBe(false);
      }
    }),
  );

  test.each(['', 'sha256:bad', `blake3:${'0'.repeat(64)}`])('under the digest %j are refused', (wrong) =>
    serve(async (served) => {
      const put = await served.send('PUT', `${await begin(served)}?digest=${wrong}`, { body: bytes });
      expect([put.status, ...codesOf(put)]).toEqual([400, 'DIGEST_INVALID']);
    }),
  );

  test('under sha512 in chunks', () =>
    serve(async (served) => {
      const other = asSha512(blob).descriptor.digest;
      const location = await begin(served);
      await patch(served, location, bytes.subarray(0, 10), '0-9');
      const put = await served.send('PUT', `${location}?digest=${other}`, { body: bytes.subarray(10) });
      expect(put).toMatchObject({ status: 201, headers: { 'docker-content-digest': other } });
      expect((await served.get(`/v2/repo/blobs/${other}`)).body).toEqual(bytes);
    }));

  test('are cancelled by DELETE', () =>
    serve(async (served) => {
      const location = await begin(served);
      await patch(served, location, bytes);
      expect((await served.send('DELETE', location)).status).toBe(204);
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await served.send(method, location);
        expect([answer.status, ...codesOf(answer)]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
      }
    }));

  test('belong to one repository', () =>
    serve(async (served) => {
      const location = await begin(served);
      expect((await served.get(location.replace('/repo/', '/other/'))).status).toBe(404);
      expect((await served.get(location)).status).toBe(204);
    }));

  test('continue after the connection was closed', () =>
    serve(async (served) => {
      const { hostname, port } = new URL(served.url);
      let location = '';
      // On a busy machine the registry may take longer until it has read the bytes.
      for (let wait = 20, range; range !== '0-9'; wait *= 2) {
        location = await begin(served);
        const socket = connect(Number(port), hostname);
        socket.write(`PATCH ${location} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: 36\r\n\r\n0123456789`);
        await sleep(wait);
        socket.destroy();
        range = (await served.get(location)).headers.range;
      }
      expect((await patch(served, location, bytes.subarray(10), '10-35')).status).toBe(202);
      expect(await served.send('PUT', `${location}?digest=${digest}`)).toMatchObject(created);
    }));

  test('of the same blob by concurrent clients store one blob', () =>
    serve(async (served) => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => served.putBlob('repo', blob)));
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 201));
      expect((await served.get(`/v2/repo/blobs/${digest}`)).body).toEqual(bytes);
    }));

  test.each([
    ['the repository that has it', '&from=source'],
    ['any repository', ''],
  ])('are not needed if the blob is mounted from %s', (_case, from) =>
    serve(async (served) => {
      await served.putBlob('source', blob);
      expect(await served.send('POST', `/v2/repo/blobs/uploads/?mount=${digest}${from}`)).toMatchObject(created);
      await served.send('DELETE', `/v2/source/blobs/${digest}`);
      expect((await served.get(`/v2/repo/blobs/${digest}`)).body).toEqual(bytes);
    }),
  );

  test.each([
    ['that does not exist', '&from=none'],
    ['that does not have it', '&from=empty'],
    ['with an invalid name', '&from=..%2Fsource'],
    ['that is not specified', ''],
  ])('start if the blob cannot be mounted from a repository %s', (_case, from) =>
    serve(async (served) => {
      if (from !== '') await served.putBlob('source', blob);
      await served.putBlob('empty', blobOf('other'));
      const answer = await served.send('POST', `/v2/repo/blobs/uploads/?mount=${digest}${from}`);
      expect(answer.status).toBe(202);
      const put = await served.send('PUT', `${answer.headers.location!}?digest=${digest}`, { body: bytes });
      expect(put).toMatchObject(created);
    }),
  );
});

describe('unfinished uploads', () => {
  test('are removed after a while', async () => {
    const sessions = new UploadSessions({ openUploads: 1, uploadIdleMs: 1 });
    const session = await sessions.begin('repo', () => new MemoryStore().stageBlob());
    await sleep(5);
    await sessions.removeIdle();
    expect(await sessions.use('repo', session.id, () => Promise.resolve(true))).toBeUndefined();
    await sessions.close();
  });

  test('stay while a request works on them', async () => {
    const sessions = new UploadSessions({ openUploads: 1, uploadIdleMs: 1 });
    const { id, upload } = await sessions.begin('repo', () => new MemoryStore().stageBlob());
    const work = sessions.use('repo', id, async () => {
      await sleep(10);
      await sessions.removeIdle();
      await upload.append(chunksOf(Buffer.from('bytes')));
      return upload.size;
    });
    expect(await work).toBe(5);
    await sessions.close();
  });

  test('are removed from the folder when the registry closes', () =>
    withFolder(async (dir) => {
      const leftovers = async (): Promise<readonly string[]> =>
        (await readdir(join(dir, 'repo'))).filter((name) => name.endsWith('.tmp'));
      await withRegistry({ dir }, async (served) => {
        await patch(served, await begin(served), Buffer.from('half'));
        expect(await leftovers()).toHaveLength(1);
      });
      expect(await leftovers()).toEqual([]);
    }));

  test('are cancelled when the registry closes', () =>
    withFolder((dir) =>
      withRegistry({ dir }, async (served) => {
        const { hostname, port } = new URL(served.url);
        const endless = request({ hostname, port, path: await begin(served), method: 'PATCH' });
        const cut = new Promise<string | undefined>((resolve) => {
          endless.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
        });
        await new Promise((resolve) => endless.write('bytes', resolve));
        await served.registry.close();
        expect(await cut).toMatch(/ECONNRESET|EPIPE/);
      }),
    ));
});

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { describe, expect, test } from '@jest/globals';
import { MemoryBytes } from '../../src/store/memory-bytes.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { bytesOf, blobOf, imageOf, withFolder } from '../store/samples.ts';
import type { Interceptor } from '../../src/server/start-registry.ts';
import { Authority, hasOpenssl } from '../support/certificates.ts';
import { casesOf, isLong, roundsOf } from '../support/long.ts';
import { programCommand } from '../support/mlist.ts';
import { codesOf, putImage, send, stores, withRegistry, type Answer, type Served } from './client.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const hundred = Buffer.alloc(100 * KIB, 'x');
const upload = (bytes: Uint8Array) => `/v2/repo/blobs/uploads/?digest=${digestOf(bytes)}`;

async function begin(served: Served): Promise<string> {
  const { headers } = await served.send('POST', '/v2/repo/blobs/uploads/');
  return headers.location!;
}

/** Sends one byte after another, until there is a response. */
function sendSlowly({ url }: Served, method: string, path: string, everyMs: number): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sending = request({ host: hostname, port, method, path, agent: false });
    const timer = setInterval(() => sending.write('x'), everyMs);
    sending.on('error', reject);
    sending.on('response', (response) => {
      clearInterval(timer);
      void bytesOf(response as AsyncIterable<Uint8Array>).then((body) => {
        sending.destroy();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      }, reject);
    });
  });
}

/** Sends text, waits for the registry to receive it, and disconnects. */
async function sendHalf({ url }: Served, path: string, body: Uint8Array): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const head = `POST ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Length: ${body.length * 2}\r\n\r\n`;
  await new Promise((resolve) => socket.write(Buffer.concat([Buffer.from(head), body]), resolve));
  socket.end();
  await once(socket.resume(), 'close');
}

/** A PATCH whose body is sent in parts. */
function startPatch({ url }: Served, path: string) {
  const sending = request(url + path, { method: 'PATCH', agent: false });
  const status = new Promise<number>((resolve, reject) => {
    sending.on('response', (response) => resolve(response.resume().statusCode ?? 0));
    sending.on('error', reject);
  });
  return {
    write: (bytes: Uint8Array) => new Promise<void>((resolve) => sending.write(bytes, () => resolve())),
    end: () => {
      sending.end();
      return status;
    },
  };
}

describe('hostile requests', () => {
  const limits = { uploadBytes: 64 * KIB, openUploads: 2, slowBodyMs: 40 };
  const longHeaders = Object.fromEntries(Array.from({ length: 201 }, (_, at) => [`x-${at}`, '1']));
  const cases: readonly (readonly [string, number, string | undefined, (served: Served) => Promise<Answer>])[] = [
    ['more than 200 headers', 431, 'UNSUPPORTED', (served) => served.get('/v2/', longHeaders)],
    ['headers of more than 16 KiB', 431, undefined, (served) => served.get('/v2/', { 'x-a': 'a'.repeat(17_000) })],
    ['a large blob', 413, 'SIZE_INVALID', (served) => served.send('POST', upload(hundred), { body: hundred })],
    [
      'a large blob of unknown length',
      413,
      'SIZE_INVALID',
      (served) => served.send('POST', upload(hundred), { body: [hundred.subarray(0, 60 * KIB), hundred] }),
    ],
    [
      'a chunk that makes a blob too large',
      413,
      'SIZE_INVALID',
      async (served) => {
        const location = await begin(served);
        await served.send('PATCH', location, { body: hundred.subarray(0, 60 * KIB) });
        const answer = await served.send('PATCH', location, { body: hundred.subarray(0, 5 * KIB) });
        expect((await served.get(location)).status).toBe(404);
        expect(answer.body.toString()).toContain('the content exceeds the limit of 64.0 KiB');
        return answer;
      },
    ],
    [
      'a manifest of more than 4 MiB',
      413,
      'SIZE_INVALID',
      (served) => served.send('PUT', '/v2/repo/manifests/v1', { body: Buffer.alloc(4 * MIB + 1, ' ') }),
    ],
    ['a slow blob', 408, 'UNAVAILABLE', (served) => sendSlowly(served, 'POST', upload(hundred), 15)],
    ['a slow manifest', 408, 'UNAVAILABLE', (served) => sendSlowly(served, 'PUT', '/v2/repo/manifests/v1', 15)],
    [
      'too many open uploads',
      429,
      'TOOMANYREQUESTS',
      async (served) => {
        await Promise.all([begin(served), begin(served)]);
        const answer = await served.send('POST', '/v2/repo/blobs/uploads/');
        expect(answer.headers['retry-after']).toBe('5');
        return answer;
      },
    ],
  ];

  describe.each(stores.map(([name]) => name))('to %s', (name) => {
    const place = stores.findIndex(([each]) => each === name);
    const [, serve] = stores[place]!;
    test.each(casesOf(cases, 2, place))('%s', async (_case, status, code, work) => {
      await serve(
        async (served) => {
          const answer = await work(served);
          expect([answer.status, ...(code === undefined ? [] : codesOf(answer))]).toEqual(
            code === undefined ? [status] : [status, code],
          );
          expect((await served.get('/v2/')).status).toBe(200);
        },
        { limits },
      );
    });
  });
});

/** Opens connections that send nothing, or half a header. */
async function flood({ url }: Served, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets = Array.from({ length: count }, () => connect(Number(port), hostname).on('error', () => undefined));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets.slice(0, count / 2)) socket.write('GET /v2/ HTTP/1.1\r\nHost:');
  return sockets;
}

describe.each([
  ['HTTP', undefined],
  ['HTTPS', hasOpenssl()],
])('the limit on connections, over %s', (_, isAvailable) => {
  const limits = { maxConnections: 10 };
  const withLimit = (work: (served: Served, ca: string | undefined) => Promise<void>, intercept?: Interceptor) =>
    withFolder(async (folder) => {
      const authority = isAvailable === undefined ? undefined : new Authority(folder);
      const options = { limits, intercept, tls: authority?.sign('server') };
      await withRegistry(options, (served) => work(served, authority?.certificate.cert));
    });
  const onlyIfAvailable = isAvailable === false ? test.skip : test;

  onlyIfAvailable('closes the longest idle connections for new ones, and counts them', () =>
    withLimit(async (served, ca) => {
      const sockets = await flood(served, 40);
      const { status, body } = await send(served.url, 'GET', '/metrics', { ca });
      expect(status).toBe(200);
      const text = body.toString();
      expect(text).toMatch(/^mlist_connections_open 10$/m);
      expect(text).toMatch(/^mlist_connections_closed_total 31$/m);
      // A connection with completed requests counts as idle again, and so it is closed too.
      const agent = new (ca === undefined ? HttpAgent : HttpsAgent)({ keepAlive: true });
      const kept = async () => (await send(served.url, 'GET', '/v2/', { ca, agent })).status;
      expect([await kept(), await kept()]).toEqual([200, 200]);
      sockets.push(...(await flood(served, 20)));
      expect((await send(served.url, 'GET', '/v2/', { ca })).status).toBe(200);
      expect(await kept()).toBe(200);
      agent.destroy();
      for (const socket of sockets) socket.destroy();
    }),
  );

  onlyIfAvailable('closes new connections while all have requests', async () => {
    let running = 0;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const intercept = async (): Promise<boolean> => {
      running += 1;
      await released;
      return false;
    };
    await withLimit(async (served, ca) => {
      const answers = Array.from({ length: 10 }, () => send(served.url, 'GET', '/v2/', { ca }));
      while (running < 10) await sleep(1);
      await expect(send(served.url, 'GET', '/v2/', { ca })).rejects.toMatchObject({ code: 'ECONNRESET' });
      release();
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(10).fill(200));
      expect((await send(served.url, 'GET', '/v2/', { ca })).status).toBe(200);
    }, intercept);
  });
});

describe('requests that a client sends without waiting for responses', () => {
  const many = (served: Served, path: string, count: number) =>
    `GET ${path} HTTP/1.1\r\nHost: ${served.registry.host}\r\n\r\n`.repeat(count);
  const connectTo = ({ url }: Served) => connect(Number(new URL(url).port), new URL(url).hostname);

  test('are handled one after another', async () => {
    let [running, most] = [0, 0];
    const intercept = async () => {
      running += 1;
      most = Math.max(most, running);
      await sleep(2);
      running -= 1;
      return false;
    };
    await withRegistry({ intercept }, async (served) => {
      const socket = connectTo(served);
      socket.write(many(served, '/v2/', 19));
      socket.write(many(served, '/v2/', 1).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
      const text = (await bytesOf(socket as AsyncIterable<Uint8Array>)).toString();
      expect([text.match(/HTTP\/1.1 200 OK/g)?.length, most]).toEqual([20, 1]);
    });
  });

  test('are dropped when the client disconnects, and the registry can be closed', () =>
    withRegistry({ faults: [{ delayMs: 60_000 }] }, async (served) => {
      const socket = connectTo(served);
      await new Promise((resolve) => socket.write(many(served, '/v2/', 3), resolve));
      socket.destroy();
      await once(socket, 'close');
      await served.registry.close();
    }));
});

describe('the memory limit', () => {
  const limits = { memoryBytes: MIB };
  const blobs = Array.from({ length: 20 }, (_, at) => blobOf(Buffer.alloc(100 * KIB, at)));

  test('refuses content beyond it with 507, and counts deleted content back', () =>
    withRegistry({ limits }, async (served) => {
      const statuses = [];
      for (const blob of blobs) statuses.push((await served.putBlob('repo', blob)).status);
      expect(statuses).toEqual([...Array<number>(10).fill(201), ...Array<number>(10).fill(507)]);
      const refused = await served.putBlob('repo', blobs[10]!);
      expect(codesOf(refused)).toEqual(['UNAVAILABLE']);
      expect(refused.body.toString()).toContain('of 1.0 MiB are in use');
      expect((await served.send('DELETE', `/v2/repo/blobs/${blobs[0]!.descriptor.digest}`)).status).toBe(202);
      expect((await served.putBlob('repo', blobs[10]!)).status).toBe(201);
      const { body } = await served.get(`/v2/repo/blobs/${blobs[1]!.descriptor.digest}`);
      expect(body.equals(blobs[1]!.bytes)).toBe(true);
    }));

  test('refuses a blob that never fits with 413', () =>
    withRegistry({ limits }, async (served) => {
      expect((await served.putBlob('repo', blobOf(Buffer.alloc(MIB + 1)))).status).toBe(413);
    }));

  test('counts a mounted blob once, until its last repository deletes it', () =>
    withRegistry({ limits }, async (served) => {
      const [blob, other] = [blobOf(Buffer.alloc(600 * KIB, 1)), blobOf(Buffer.alloc(600 * KIB, 2))];
      await served.putBlob('a', blob);
      const path = `/v2/b/blobs/uploads/?mount=${blob.descriptor.digest}&from=a`;
      expect((await served.send('POST', path)).status).toBe(201);
      await served.send('DELETE', `/v2/a/blobs/${blob.descriptor.digest}`);
      expect((await served.putBlob('a', other)).status).toBe(507);
      const { body } = await served.get(`/v2/b/blobs/${blob.descriptor.digest}`);
      expect(body.equals(blob.bytes)).toBe(true);
      await served.send('DELETE', `/v2/b/blobs/${blob.descriptor.digest}`);
      expect((await served.putBlob('a', other)).status).toBe(201);
    }));

  test.each<[string, (served: Served) => Promise<void>]>([
    ['half of a blob', (served) => sendHalf(served, upload(hundred), Buffer.alloc(400 * KIB))],
    [
      'a blob with another digest',
      async (served) => {
        await served.send('POST', upload(hundred), { body: Buffer.alloc(400 * KIB) });
      },
    ],
    [
      'a cancelled upload',
      async (served) => {
        const location = await begin(served);
        await served.send('PATCH', location, { body: Buffer.alloc(400 * KIB) });
        await served.send('DELETE', location);
      },
    ],
    [
      'an upload whose repository is deleted meanwhile',
      async (served) => {
        const location = await begin(served);
        const upload = startPatch(served, location);
        await upload.write(Buffer.alloc(200 * KIB));
        await served.send('DELETE', '/v2/repo/_mlist/repository');
        await upload.write(Buffer.alloc(200 * KIB));
        expect(await upload.end()).toBe(404);
      },
    ],
    [
      'a blob that is there already',
      async (served) => {
        const blob = blobOf(Buffer.alloc(200 * KIB, 9));
        for (let at = 0; at < 3; at += 1) await served.putBlob('repo', blob);
        await served.send('DELETE', `/v2/repo/blobs/${blob.descriptor.digest}`);
      },
    ],
    [
      'an image that was deleted',
      async (served) => {
        const image = imageOf('a', { annotations: { a: 'x'.repeat(100 * KIB) } });
        await putImage(served, 'repo', image, 'v1');
        await served.send('DELETE', `/v2/repo/manifests/${image.manifest.descriptor.digest}`);
      },
    ],
  ])('counts %s back', (_case, work) =>
    withRegistry({ limits }, async (served) => {
      for (let round = 0; round < 12; round += 1) await work(served);
      expect((await served.putBlob('repo', blobOf(Buffer.alloc(900 * KIB)))).status).toBe(201);
    }),
  );

  test('counts a deleted blob until it was sent', () =>
    withRegistry({ limits: { memoryBytes: 24 * MIB } }, async (served) => {
      const [blob, other] = [blobOf(Buffer.alloc(20 * MIB, 1)), blobOf(Buffer.alloc(20 * MIB, 2))];
      await served.putBlob('repo', blob);
      const path = `/v2/repo/blobs/${blob.descriptor.digest}`;
      const reading = await new Promise<IncomingMessage>((resolve, reject) =>
        request(served.url + path, { agent: false }, resolve)
          .on('error', reject)
          .end(),
      );
      await served.send('DELETE', path);
      expect((await served.putBlob('repo', other)).status).toBe(507);
      expect((await bytesOf(reading as AsyncIterable<Uint8Array>)).equals(blob.bytes)).toBe(true);
      expect((await served.putBlob('repo', other)).status).toBe(201);
    }));

  test('is exact after 32 clients have uploaded, aborted, mounted and deleted at the same time', () =>
    withRegistry({ limits: { memoryBytes: 4 * MIB } }, async (served) => {
      const statuses = new Set<number>();
      const client = async (number: number): Promise<void> => {
        const repository = `r${number % 5}`;
        const note = ({ status }: Answer): void => void statuses.add(status);
        for (let at = 0; at < roundsOf(6, 40); at += 1) {
          const blob = blobOf(Buffer.alloc(150 * KIB + number, at));
          const { digest } = blob.descriptor;
          const ways: (() => Promise<unknown>)[] = [
            () => served.putBlob(repository, blob).then(note),
            () => sendHalf(served, `/v2/${repository}/blobs/uploads/?digest=${digest}`, blob.bytes.subarray(9)),
            async () => {
              const { status, headers } = await served.send('POST', `/v2/${repository}/blobs/uploads/`);
              statuses.add(status);
              if (headers.location === undefined) return;
              const parts = [blob.bytes.subarray(0, 90_000), blob.bytes.subarray(90_000)];
              note(await served.send('PATCH', headers.location, { body: parts }));
              note(await served.send('PUT', `${headers.location}?digest=${digest}`));
            },
            () => served.send('POST', `/v2/other/blobs/uploads/?mount=${digest}&from=${repository}`).then(note),
            () => served.send('DELETE', `/v2/${repository}/blobs/${digest}`).then(note),
            () => served.send('DELETE', `/v2/${repository}/_mlist/repository`).then(note),
          ];
          await Promise.all([ways[(number + at) % 6]!(), ways[(number * 5 + at * 3) % 6]!()]);
        }
      };
      await Promise.all(Array.from({ length: 32 }, (_, number) => client(number)));
      expect([...statuses].filter((status) => ![201, 202, 404, 507].includes(status))).toEqual([]);
      const { repositories } = JSON.parse((await served.get('/v2/_catalog')).body.toString()) as {
        repositories: string[];
      };
      for (const name of repositories) await served.send('DELETE', `/v2/${name}/_mlist/repository`);
      const rest = 4 * MIB - 3 * KIB;
      expect((await served.putBlob('last', blobOf(Buffer.alloc(rest)))).status).toBe(201);
      expect((await served.putBlob('last', blobOf(Buffer.alloc(4 * KIB)))).status).toBe(507);
    }));

  test.each<[string, (at: number) => readonly [string, string]]>([
    ['repositories', (at) => ['POST', `/v2/repo-${at}/blobs/uploads/`]],
    ['tags', (at) => ['PUT', `/v2/repo/manifests/tag-${at}`]],
  ])('counts %s', (_case, requestOf) =>
    withRegistry({ limits: { memoryBytes: 64 * KIB } }, async (served) => {
      const { manifest } = imageOf('a');
      await putImage(served, 'repo', imageOf('a'), 'v1');
      const statuses = new Set<number>();
      for (let at = 0; at < 150; at += 1) {
        const [method, path] = requestOf(at);
        const headers = { 'content-type': manifest.descriptor.mediaType };
        const body = method === 'PUT' ? manifest.bytes : '';
        statuses.add((await served.send(method, path, { headers, body })).status);
      }
      expect(statuses).toContain(507);
      expect((await served.get('/v2/repo/manifests/v1')).status).toBe(200);
    }),
  );
});

test.each(casesOf([1, 7, 1000, 4096, 16_384, 65_536, 5 * MIB], 3))(
  'chunks of %i bytes need at most 1.15 times their size',
  async (length) => {
    let [used, peak] = [0, 0];
    const account = {
      reserve: (bytes: number) => (peak = Math.max(peak, (used += bytes))),
      release: (bytes: number) => (used -= bytes),
    };
    const total = length < 1000 ? 200 * KIB : 12 * MIB;
    const all = Buffer.alloc(total, Buffer.from(Array.from({ length: 251 }, (_, at) => at)));
    const bytes = new MemoryBytes(account);
    for (let at = 0; at < total; at += length) bytes.append(all.subarray(at, at + length));
    expect(peak / total).toBeLessThan(1.15);
    expect(Buffer.concat([...bytes.read()]).equals(all)).toBe(true);
    bytes.trim();
    expect([bytes.size, used]).toEqual([total, total]);
    const [start, end] = [Math.floor(total / 3), Math.floor(total / 2)];
    expect(Buffer.concat([...bytes.read(start, end)]).equals(all.subarray(start, end))).toBe(true);
    bytes.release();
    await Promise.resolve();
    expect(used).toBe(0);
  },
);

test('large chunks are kept, and small ones between them need little memory', () => {
  let [used, peak] = [0, 0];
  const account = {
    reserve: (bytes: number) => (peak = Math.max(peak, (used += bytes))),
    release: (bytes: number) => (used -= bytes),
  };
  const chunks = Array.from({ length: 300 }, (_, at) => Buffer.allocUnsafeSlow(at % 3 === 1 ? 100 : 64 * KIB).fill(at));
  const shared = Buffer.alloc(128 * KIB, 'x').subarray(0, 64 * KIB);
  const bytes = new MemoryBytes(account);
  for (const chunk of [...chunks, shared]) bytes.appendOwned(chunk);
  const all = Buffer.concat([...chunks, shared]);
  shared.fill('y');
  expect(Buffer.concat([...bytes.read()]).equals(all)).toBe(true);
  expect([...bytes.read()].filter((block) => chunks.some((chunk) => chunk.buffer === block.buffer))).toHaveLength(200);
  expect(peak / all.length).toBeLessThan(1.15);
  bytes.release();
  expect(used).toBe(0);
});

(isLong && process.platform === 'linux' ? test : test.skip)(
  'a 400 MiB upload needs at most 1.2 times its size',
  async () => {
    const [program, ...first] = programCommand();
    const child = spawn(program, [...first, 'serve', '--addr', '127.0.0.1:0', '--memory', '1GiB']);
    try {
      const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
      const block = Buffer.alloc(MIB, 'x');
      const blocks = Array<Buffer>(400).fill(block);
      const hash = createHash('sha256');
      for (const each of blocks) hash.update(each);
      const path = `/v2/repo/blobs/uploads/?digest=sha256:${hash.digest('hex')}`;
      expect((await send(url, 'POST', path, { body: blocks })).status).toBe(201);
      const peak = /VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      expect(Number(peak) / KIB).toBeLessThan(1.2 * 400);
    } finally {
      child.kill('SIGINT');
      await once(child, 'exit');
    }
  },
);

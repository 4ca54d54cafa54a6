import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { MlistError } from '../../../src/errors/errors.ts';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { ForwardProxy } from '../../support/forward-proxy.ts';
import {
  created,
  exitCodes,
  faults,
  found,
  interruptedWrites,
  longManifest,
  manifest,
  readAll,
  thenHalf,
  type,
} from '../../support/http2-faults.ts';
import {
  block,
  END_HEADERS,
  END_STREAM,
  frame,
  FrameServer,
  goaway,
  reset,
  settings,
  type Answer,
  type FrameServerOptions,
} from '../../support/http2-frames.ts';
import { casesOf } from '../../support/long.ts';
import { describeWith } from '../../support/programs.ts';
import { answer, hang, RecordingProxy } from '../../support/recording-proxy.ts';
import { startRegistry } from '../../../src/server/start-registry.ts';
import { imageOf, indexOf } from '../samples.ts';
import { cleanup, layerOf, pieces, repository, session, type TestSession, mostAtOnce, putBlobs } from './setup.ts';

const { config } = imageOf('x');
const list = indexOf([]);

let caFile = '';
let certificate: Certificate;

const open = (options: Parameters<typeof session>[0] = {}): TestSession => session({ caFile, retries: 0, ...options });

async function frames(options: Omit<FrameServerOptions, 'certificate'>): Promise<FrameServer> {
  return cleanup(await FrameServer.start({ certificate, ...options }));
}

describeWith('openssl', 'over HTTP/2', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mlist-http2-'));
    const authority = new Authority(folder);
    certificate = authority.sign('server');
    caFile = authority.certificate.certFile;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  describe('documents', documents);
  describe('connections', connections);
});

function documents(): void {
  test.each(casesOf(Object.entries(faults), 3))('fail if %s', async (_name, fault) => {
    const { code, message, streams = 1, writes = false, ...server } = fault;
    const started = await frames(server);
    const repo = repository(open({ timeoutMs: code === 'TIMEOUT' ? 300 : 20_000 }), started.host, 'repo');
    const running: Promise<unknown> = writes ? repo.putManifest(longManifest, 'v1') : repo.fetchManifest('v1');
    const error = (await running.catch((thrown: unknown) => thrown)) as MlistError;
    expect(error).toMatchObject({ code: `ERR_MLIST_${code}`, exitCode: exitCodes[code] });
    expect(error.message).toContain(message);
    expect(started.streams).toHaveLength(streams);
    if (message.includes('HTTP2_')) expect(error.facts.remedy).toEqual({ kind: 'http1' });
  });

  test('time out if the body arrives byte by byte', async () => {
    const { host } = await frames({
      answer: thenHalf((stream, socket) => {
        const timer = setInterval(() => socket.write(frame('DATA', 0, stream, Buffer.of(32))), 50);
        socket.once('close', () => clearInterval(timer));
      }),
    });
    const reading = repository(open({ timeoutMs: 200 }), host, 'repo').fetchManifest('v1');
    await expect(reading).rejects.toMatchObject({ code: 'ERR_MLIST_TIMEOUT' });
  });

  test.each<[string, Answer]>([
    ['refuses the stream', (stream, socket) => socket.write(reset(stream, 7))],
    ['closes the session', (_stream, socket) => socket.write(goaway(0))],
    ['closes the session with an error', (_stream, socket) => socket.end(goaway(0, 11))],
  ])('are sent again without a retry if the server %s first', async (_name, refuse) => {
    let requests = 0;
    const server = await frames({
      answer: (stream, socket) => ((requests += 1) === 1 ? refuse : found)(stream, socket),
    });
    const from = open();
    expect(await repository(from, server.host, 'repo').fetchManifest('v1')).toEqual(manifest);
    expect(server.streams).toHaveLength(2);
    expect(from.events).toMatchObject([{ status: 200, protocol: 'HTTP/2' }]);
  });

  test.each<[string, Answer]>([
    [
      'informational responses come first',
      (stream, socket) => {
        for (const status of [100, 102, 103])
          socket.write(frame('HEADERS', END_HEADERS, stream, block({ ':status': status })));
        found(stream, socket);
      },
    ],
    [
      'trailers follow the body',
      (stream, socket) => {
        socket.write(frame('HEADERS', END_HEADERS, stream, block({ ':status': 200, ...type })));
        socket.write(frame('DATA', 0, stream, manifest.bytes));
        socket.write(frame('HEADERS', END_HEADERS | END_STREAM, stream, block({ 'x-trailer': 'x'.repeat(1000) })));
      },
    ],
    [
      'the session is closed after the response',
      (stream, socket) => {
        found(stream, socket);
        socket.end(goaway(stream));
      },
    ],
  ])('are read if %s', async (_name, answers) => {
    const server = await frames({ answer: answers });
    expect(await repository(open(), server.host, 'repo').fetchManifest('v1')).toEqual(manifest);
    expect(server.streams).toHaveLength(1);
  });

  test.each(casesOf(Object.entries(interruptedWrites), 3))('are written once if %s', async (_name, interrupt) => {
    const { begin, answer: answers, sent, fails = false } = interrupt;
    let requests = 0;
    const server = await frames({
      begin: (stream, socket) => ((requests += 1) === 1 ? begin : readAll)?.(stream, socket),
      answer: (stream, socket) => (requests === 1 ? answers : created)?.(stream, socket),
    });
    const writing = repository(open(), server.host, 'repo').putManifest(longManifest, 'v1');
    await (fails ? expect(writing).rejects.toMatchObject({ code: 'ERR_MLIST_NETWORK' }) : writing);
    expect(server.streams).toHaveLength(sent);
  });

  test('wait for each other if the server permits one stream at a time', async () => {
    let [now, most] = [0, 0];
    const server = await frames({
      first: settings({ maxConcurrentStreams: 1 }),
      answer: (stream, socket) => {
        if (now === 1) return void socket.write(reset(stream, 7));
        most = Math.max(most, (now += 1));
        return void setImmediate(() => {
          now -= 1;
          found(stream, socket);
        });
      },
    });
    const repo = repository(open(), server.host, 'repo');
    await Promise.all(Array.from({ length: 8 }, (_, at) => repo.fetchManifest(`v${at}`)));
    expect([most, server.connections]).toEqual([1, 1]);
    // The requests that were sent before the limit was known, and the ones that were refused and sent again.
    expect(server.streams.length).toBeLessThanOrEqual(8 + 7);
  });

  test('are sent before the settings of the server arrive if they are reads', async () => {
    let early = 0;
    let hasStarted = false;
    const server = await frames({
      first: Buffer.alloc(0),
      answer: (stream, socket) => {
        const answers = stream === server.streams[0] ? found : created;
        if (hasStarted) return answers(stream, socket);
        return void setTimeout(() => {
          early = server.streams.length;
          hasStarted = true;
          socket.write(settings());
          answers(stream, socket);
        }, 50);
      },
    });
    const repo = repository(open(), server.host, 'repo');
    await Promise.all([repo.fetchManifest('v1'), repo.putManifest(manifest, 'v2')]);
    expect([early, server.streams.length, server.connections]).toEqual([1, 2, 1]);
  });

  test('follow the number of streams that the server permits during use', async () => {
    const changes: Readonly<Record<number, readonly number[]>> = { 1: [1], 6: [0, 2] };
    let hasBegun = false;
    let now = 0;
    const running: number[] = [];
    const server = await frames({
      first: settings({ maxConcurrentStreams: 3 }),
      answer: (stream, socket) => {
        if (!hasBegun) return found(stream, socket);
        running.push((now += 1));
        for (const maxConcurrentStreams of changes[running.length] ?? [])
          socket.write(settings({ maxConcurrentStreams }));
        return void setTimeout(() => {
          now -= 1;
          found(stream, socket);
        }, 20);
      },
    });
    const repo = repository(open(), server.host, 'repo');
    await repo.fetchManifest('v0');
    hasBegun = true;
    await Promise.all(Array.from({ length: 10 }, (_, at) => repo.fetchManifest(`v${at}`)));
    expect(running.slice(0, 6)).toEqual([1, 2, 3, 1, 1, 1]);
    expect(Math.max(...running.slice(6))).toBeLessThanOrEqual(2);
    expect(server.connections).toBe(1);
  });

  test('use one session, although its server sends many pings during the command', async () => {
    const pings = Buffer.concat(Array.from({ length: 400 }, () => frame('PING', 0, 0, Buffer.alloc(8))));
    const server = await frames({
      answer: (stream, socket) => {
        socket.write(pings);
        found(stream, socket);
      },
    });
    const repo = repository(open(), server.host, 'repo');
    for (let at = 0; at < 4; at += 1) expect(await repo.fetchManifest(`v${at}`)).toEqual(manifest);
    expect(server.connections).toBe(1);
  });

  test('continue when a later SETTINGS frame permits streams', async () => {
    const server = await frames({
      first: Buffer.concat([settings({ maxConcurrentStreams: 0 }), settings({ maxConcurrentStreams: 5 })]),
      answer: found,
    });
    expect(await repository(open(), server.host, 'repo').fetchManifest('v1')).toEqual(manifest);
  });

  test('use another connection after a timeout', async () => {
    const server = await frames({
      answer: (stream, socket) => (server.connections === 1 ? undefined : found(stream, socket)),
    });
    const from = open({ timeoutMs: 500, retries: 1 });
    expect(await repository(from, server.host, 'repo').fetchManifest('v1')).toEqual(manifest);
    expect(server.connections).toBe(2);
  });

  test('mean the same over both protocols', async () => {
    const proxy = cleanup(await RecordingProxy.start({ tls: certificate, http2: true }));
    const repeated = { ...type, link: ['<a>; rel=next', '<b>; rel=x'], warning: ['299 - "a"', '299 - "b"'] };
    proxy.on(/./, answer(200, repeated as unknown as Parameters<typeof answer>[1], manifest.bytes));
    for (const http1 of [false, true]) {
      const from = open({ http1 });
      await repository(from, proxy.host, 'repo').fetchManifest('v1');
      expect(from.warnings).toEqual([`${proxy.host} warns: a`, `${proxy.host} warns: b`]);
    }
    expect(proxy.requests.map(({ version }) => version)).toEqual(['2.0', '1.1']);
    const [over2, over1] = proxy.requests.map(({ headers }) => headers);
    expect({ connection: 'keep-alive', ...over2 }).toEqual(over1);
  });
}

function connections(): void {
  async function registry(http2 = true): Promise<RecordingProxy> {
    const { url } = cleanup(await startRegistry());
    return cleanup(await RecordingProxy.start({ upstream: url, tls: certificate, http2 }));
  }

  test('are one for documents, while layers use HTTP/1.1', async () => {
    const proxy = await registry();
    const repo = repository(open(), proxy.host, 'repo');
    const content = [layerOf(100_000), config];
    await Promise.all(content.map(({ descriptor, bytes }) => repo.putBlob(descriptor, () => pieces(bytes))));
    await repo.putManifest(list, 'v1');
    proxy.clear();
    await Promise.all(Array.from({ length: 20 }, () => repo.fetchManifest('v1')));
    expect(new Set(proxy.requests.map(({ version }) => version))).toEqual(new Set(['2.0']));
    expect(await buffer(repo.readBlob(content[0]!.descriptor))).toHaveLength(100_000);
    expect(proxy.requests.at(-1)).toMatchObject({ version: '1.1' });
    expect(proxy.connections).toBeLessThanOrEqual(3);
  });

  const numbers = [
    { requests: 100, uploads: 32, options: {} },
    { requests: 32, uploads: 32, options: { http1: true } },
    { requests: 5, uploads: 5, options: { concurrency: 5 } },
  ];
  test.each(casesOf(numbers, 3))(
    'carry $requests requests and $uploads uploads at once with $options',
    async ({ options, ...expected }) => {
      const proxy = await registry();
      const repo = repository(open(options), proxy.host, 'repo');
      await repo.putManifest(list, 'v1');
      const requests = () =>
        Promise.all(
          Array.from({ length: expected.requests + 2 }, (_, at) => repo.resolve(`tag-${at}`).catch(() => undefined)),
        );
      expect(await mostAtOnce(proxy, expected.requests, requests)).toBe(expected.requests);
      const uploads = () => putBlobs(repo, expected.uploads + 2);
      expect(await mostAtOnce(proxy, expected.uploads, uploads)).toBe(expected.uploads);
    },
  );

  test('are used for the first request if the server chooses HTTP/1.1', async () => {
    const proxy = await registry(false);
    const repo = repository(open(), proxy.host, 'repo');
    await repo.putManifest(manifest, 'v1').catch(() => undefined);
    await repo.resolve('v1').catch(() => undefined);
    expect(proxy.requests.length).toBeGreaterThan(1);
    expect(proxy.connections).toBe(1);
  });

  test('go through a tunnel, and its refusal is reported', async () => {
    const proxy = await registry();
    proxy.on(/./, answer(200, type, manifest.bytes));
    const hosts = { 'registry.example:443': proxy.port };
    const read = async (login: string | undefined) => {
      const tunnel = cleanup(await ForwardProxy.start({ hosts, ...(login === undefined ? {} : { login }) }));
      const from = open({ env: { HTTPS_PROXY: `http://127.0.0.1:${new URL(tunnel.url).port}` }, insecure: true });
      await repository(from, 'registry.example', 'repo').fetchManifest('v1');
      return tunnel.requests;
    };
    expect(await read(undefined)).toEqual(['CONNECT registry.example:443']);
    expect(proxy.requests).toMatchObject([{ version: '2.0' }]);
    await expect(read('me:secret')).rejects.toMatchObject({ code: 'ERR_MLIST_NETWORK', facts: { status: 407 } });
  });

  test.each([
    ['to another name of the same server, which its certificate has too', (port: number) => `localhost:${port}`, 2],
    ['to another port', (port: number) => `127.0.0.1:${port}`, 1],
  ])('are not shared, and the login is not sent, after a redirect %s', async (_name, target, connections) => {
    const [proxy, elsewhere] = [await registry(), await registry()];
    const location = `https://${target((connections === 2 ? proxy : elsewhere).port)}/other`;
    proxy.on(/ \/v2\//, ({ seen, ...exchange }) =>
      (seen.headers.authorization === undefined
        ? answer(401, { 'www-authenticate': 'Basic realm="x"' })
        : answer(307, { location }))({ seen, ...exchange }),
    );
    for (const server of [proxy, elsewhere]) server.on(/other/, answer(200, type, manifest.bytes));
    const from = open({ credentials: () => Promise.resolve({ type: 'basic', username: 'me', password: 'secret' }) });
    expect(await repository(from, proxy.host, 'repo').fetchManifest('v1')).toEqual(manifest);
    const redirected = [...proxy.requests, ...elsewhere.requests].filter(({ path }) => path === '/other');
    expect(redirected).toMatchObject([{ version: '2.0', headers: { host: new URL(location).host } }]);
    expect(redirected[0]?.headers.authorization).toBeUndefined();
    expect([proxy.connections, elsewhere.connections]).toEqual([connections, 2 - connections]);
  });

  test('stay open when one request is aborted', async () => {
    const proxy = await registry();
    proxy.on(/slow/, hang);
    proxy.on(/fast/, answer(200, type, manifest.bytes));
    const repo = repository(open(), proxy.host, 'repo');
    const controller = new AbortController();
    const slow = repo.fetchManifest('slow', { signal: controller.signal });
    await repo.fetchManifest('fast');
    controller.abort(new Error('enough'));
    await expect(slow).rejects.toThrow('enough');
    await repo.fetchManifest('fast2');
    expect(proxy.connections).toBe(1);
  });
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { MlistError } from '../../../src/errors/errors.ts';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { ForwardProxy } from '../../support/forward-proxy.ts';
import {
  block,
  END_HEADERS,
  flood,
  frame,
  FrameServer,
  goaway,
  reset,
  respond,
  settings,
  type Answer,
  type FrameServerOptions,
} from '../../support/http2-frames.ts';
import { describeWith } from '../../support/programs.ts';
import { answer, hang, RecordingProxy } from '../../support/recording-proxy.ts';
import { startRegistry } from '../../../src/server/start-registry.ts';
import { blobOf, imageOf, indexOf } from '../samples.ts';
import { cleanup, layerOf, pieces, repository, session, type TestSession } from './setup.ts';

const { manifest, config } = imageOf('x');
const list = indexOf([]);
const type = { 'content-type': manifest.descriptor.mediaType };
const whole = { ...type, 'content-length': manifest.bytes.length };
const half = manifest.bytes.subarray(0, manifest.bytes.length >> 1);

let caFile = '';
let certificate: Certificate;

const open = (options: Parameters<typeof session>[0] = {}): TestSession => session({ caFile, retries: 0, ...options });

async function frames(options: Omit<FrameServerOptions, 'certificate'>): Promise<FrameServer> {
  return cleanup(await FrameServer.start({ certificate, ...options }));
}

const found: Answer = (stream, socket) => socket.write(respond(stream, type, manifest.bytes));

/** Sends the headers and half of the body, and then something else. */
const thenHalf =
  (then: (stream: number, socket: TLSSocket) => void): Answer =>
  (stream, socket) => {
    const headers = frame('HEADERS', END_HEADERS, stream, block({ ':status': 200, ...type }));
    socket.write(Buffer.concat([headers, frame('DATA', 0, stream, half)]), () => then(stream, socket));
  };

const endless =
  (of: (stream: number) => Buffer): Answer =>
  (stream, socket) =>
    flood(socket, of(stream));

interface Fault extends Omit<FrameServerOptions, 'certificate'> {
  readonly code: string;
  readonly message: string;
  /** Default: 1. */
  readonly streams?: number;
}

const faults: Readonly<Record<string, Fault>> = {
  'ALPN promises h2, and the server speaks HTTP/1.1': {
    first: Buffer.from('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'),
    answer: silence,
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
    streams: 0,
  },
  'the server sends no settings': { first: Buffer.alloc(0), answer: silence, code: 'TIMEOUT', message: '', streams: 0 },
  'the server never answers': { answer: silence, code: 'TIMEOUT', message: '' },
  'the server permits no stream': { first: settings(0), answer: found, code: 'TIMEOUT', message: '', streams: 0 },
  'the connection is cut in the body': {
    answer: thenHalf((_stream, socket) => socket.destroy()),
    code: 'NETWORK',
    message: '(ECONNRESET)',
  },
  'the session is closed in the body': {
    answer: thenHalf((stream, socket) => socket.end(goaway(stream))),
    code: 'NETWORK',
    message: '(ECONNRESET)',
  },
  'the stream is reset without an error in the body': {
    answer: thenHalf((stream, socket) => socket.write(reset(stream, 0))),
    code: 'NETWORK',
    message: '(ECONNRESET)',
  },
  'the stream is reset without an error before the response': {
    answer: (stream, socket) => socket.write(reset(stream, 0)),
    code: 'NETWORK',
    message: '(ECONNRESET)',
  },
  'the stream is cancelled in the body': {
    answer: thenHalf((stream, socket) => socket.write(reset(stream, 8))),
    code: 'NETWORK',
    message: '(ECONNRESET)',
  },
  'the stream is refused after the response has begun': {
    answer: thenHalf((stream, socket) => socket.write(reset(stream, 7))),
    code: 'NETWORK',
    message: '(ECONNRESET)',
  },
  'the body is shorter than its length': {
    answer: (stream, socket) => socket.write(respond(stream, whole, half)),
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
  },
  'the name of a header has capitals': {
    answer: (stream, socket) => socket.write(respond(stream, { ...type, 'X-Capital': 1 }, manifest.bytes)),
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
  },
  'a header is about the connection': {
    answer: (stream, socket) => socket.write(respond(stream, { ...type, connection: 'close' }, manifest.bytes)),
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
  },
  'the headers are too large': {
    answer: (stream, socket) => {
      const [first, second] = [
        block({ ':status': 200, ...type, 'x-long': 'x'.repeat(15_000) }),
        block({ 'x-more': 'x'.repeat(9000) }),
      ];
      socket.write(frame('HEADERS', 0, stream, first));
      socket.write(
        Buffer.concat([frame('CONTINUATION', END_HEADERS, stream, second), frame('DATA', 1, stream, manifest.bytes)]),
      );
    },
    code: 'NETWORK',
    message: '(HPE_HEADER_OVERFLOW)',
  },
  'headers never end': {
    answer: (stream, socket) => {
      socket.write(frame('HEADERS', 0, stream, block({ ':status': 200 })));
      flood(socket, frame('CONTINUATION', 0, stream, block({ 'x-long': 'x'.repeat(1000) })));
    },
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
  },
  'informational responses never end': {
    answer: endless((stream) => frame('HEADERS', END_HEADERS, stream, block({ ':status': 103 }))),
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
  },
  'settings never end': { answer: endless(() => settings(100)), code: 'NETWORK', message: '(HTTP2_PROTOCOL)' },
  'pings never end': {
    answer: endless(() => frame('PING', 0, 0, Buffer.alloc(8))),
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
  },
  'empty data never ends': {
    answer: (stream, socket) => {
      socket.write(frame('HEADERS', END_HEADERS, stream, block({ ':status': 200, ...type })));
      flood(socket, frame('DATA', 0, stream));
    },
    code: 'NETWORK',
    message: '(HTTP2_PROTOCOL)',
  },
  'the body never ends': {
    answer: thenHalf((stream, socket) => flood(socket, frame('DATA', 0, stream, Buffer.alloc(16_000, ' ')))),
    code: 'DOCUMENT_INVALID',
    message: 'is longer than',
  },
  'every stream is refused': {
    answer: (stream, socket) => socket.write(reset(stream, 7)),
    code: 'NETWORK',
    message: '(HTTP2_UNPROCESSED)',
    streams: 4,
  },
  'every session is closed before it processes a request': {
    answer: (_stream, socket) => socket.end(goaway(0)),
    code: 'NETWORK',
    message: '(HTTP2_UNPROCESSED)',
    streams: 4,
  },
};

function silence(): void {
  // Sends nothing.
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
  test.each(Object.entries(faults))('fail if %s', async (_name, { code, message, streams = 1, ...server }) => {
    const started = await frames(server);
    const timeoutMs = code === 'TIMEOUT' ? 300 : 20_000;
    const reading = repository(open({ timeoutMs }), started.host, 'repo').fetchManifest('v1');
    const error = (await reading.catch((thrown: unknown) => thrown)) as MlistError;
    expect(error).toMatchObject({ code: `ERR_MLIST_${code}`, exitCode: code === 'DOCUMENT_INVALID' ? 3 : 7 });
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

  test.each([
    ['has not processed it', 0, 2],
    ['may have processed it', 1, 1],
  ])('are written once if the server closes the session in a PUT and %s', async (_name, last, sent) => {
    let requests = 0;
    const server = await frames({
      answer: (stream, socket) => {
        requests += 1;
        if (requests === 1) socket.end(goaway(last));
        else socket.write(frame('HEADERS', 0x5, stream, block({ ':status': 201 })));
      },
    });
    const writing = repository(open(), server.host, 'repo').putManifest(manifest, 'v1');
    await (sent === 2 ? writing : expect(writing).rejects.toMatchObject({ code: 'ERR_MLIST_NETWORK' }));
    expect(server.streams).toHaveLength(sent);
  });

  test('wait for each other if the server permits one stream at a time', async () => {
    let [now, most] = [0, 0];
    const server = await frames({
      first: settings(1),
      answer: (stream, socket) => {
        most = Math.max(most, (now += 1));
        setImmediate(() => {
          now -= 1;
          found(stream, socket);
        });
      },
    });
    const repo = repository(open(), server.host, 'repo');
    await Promise.all(Array.from({ length: 8 }, (_, at) => repo.fetchManifest(`v${at}`)));
    expect([most, server.connections, server.streams.length]).toEqual([1, 1, 8]);
  });

  test('continue when a later SETTINGS frame permits streams', async () => {
    const server = await frames({ first: Buffer.concat([settings(0), settings(5)]), answer: found });
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

/**
 * The largest number of requests that a proxy receives at once. It holds them until there are this many.
 * @param send - is called 2 times more often
 */
async function mostAtOnce(proxy: RecordingProxy, expected: number, send: (at: number) => unknown): Promise<number> {
  let [now, most] = [0, 0];
  let fill: () => void = () => undefined;
  const full = new Promise<void>((resolve) => (fill = resolve));
  proxy.on(/./, async ({ pass, response }) => {
    now += 1;
    most = Math.max(most, now);
    response.once('close', () => (now -= 1));
    if (now === expected) fill();
    await full;
    // Further requests, if the limit is too high, arrive before the first one is answered.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await pass();
  });
  await Promise.all(Array.from({ length: expected + 2 }, (_, at) => send(at)));
  return most;
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

  test.each([
    { requests: 100, uploads: 32, options: {} },
    { requests: 32, uploads: 32, options: { http1: true } },
    { requests: 5, uploads: 5, options: { concurrency: 5 } },
  ])('carry $requests requests and $uploads uploads at once with $options', async ({ options, ...expected }) => {
    const proxy = await registry();
    const repo = repository(open(options), proxy.host, 'repo');
    await repo.putManifest(list, 'v1');
    expect(await mostAtOnce(proxy, expected.requests, (at) => repo.resolve(`tag-${at}`).catch(() => undefined))).toBe(
      expected.requests,
    );
    const blobs = Array.from({ length: expected.uploads + 2 }, (_, at) =>
      blobOf(Buffer.from(`blob ${at}`), 'application/octet-stream'),
    );
    const upload = (at: number) => {
      const blob = blobs[at];
      return blob === undefined ? undefined : repo.putBlob(blob.descriptor, () => pieces(blob.bytes));
    };
    expect(await mostAtOnce(proxy, expected.uploads, upload)).toBe(expected.uploads);
  });

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

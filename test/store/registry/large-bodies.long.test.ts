import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { takeBody, withReceiveBuffer } from '../../../src/store/registry/http/receive-buffer.ts';
import type { RegistryOptions } from '../../../src/store/registry/registry-options.ts';
import { Limiter } from '../../../src/async/limiter.ts';
import type { Repository } from '../../../src/store/registry/repository.ts';
import type { ManifestContent } from '../../../src/store/store.ts';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { listenUntilEnd } from '../../support/listen.ts';
import { isLong, roundsOf } from '../../support/long.ts';
import { describeWith } from '../../support/programs.ts';
import type { Rule } from '../../support/recording-proxy.ts';
import { blobOf, bytesOf } from '../samples.ts';
import { cleanup, layerOf, put, repository, served, session } from './setup.ts';

/**
 * A blob is read completely with any valid framing of the response. With any other framing, reading it fails. Large bodies
 * are read past the HTTP parser.
 */

const blob = layerOf(5_000_000, 'large');
const { bytes } = blob;
const head = `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`;

type Answer = (socket: Socket) => Promise<void>;

/** A server that answers every request in the same way. */
interface Scripted {
  readonly host: string;
  readonly connections: () => number;
  readonly source: (options?: Partial<RegistryOptions>) => ReturnType<typeof repository>;
}

async function serverThat(answers: Answer, tls?: Tls): Promise<Scripted> {
  const sockets = new Set<Socket>();
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => void answers(socket));
  };
  const server = tls === undefined ? createServer(accept) : createTlsServer(tls.server, accept);
  const host = await listenUntilEnd(server);
  const caFile = tls?.caFile;
  return {
    host,
    connections: () => sockets.size,
    source: (options) => repository(session({ retries: 0, caFile, ...options }), host, 'repo'),
  };
}

interface Tls {
  readonly caFile: string;
  readonly server: Certificate;
}

function write(socket: Socket, part: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => socket.write(part, () => setTimeout(resolve, 5)));
}

describe('over http', () => {
  bodies();
  if (isLong) describe('many at once', () => stress());
});

test('a body is whole if its headers were received before the request was sent', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(bytes));
    socket.write(head);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const socket = withReceiveBuffer((onread) => connect({ host: '127.0.0.1', port, onread }));
  cleanup({
    close: () => {
      socket.destroy();
      server.close();
    },
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  while (socket.readableLength === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const body = await new Promise<AsyncIterable<Uint8Array> | undefined>((resolve, reject) => {
    httpRequest({ createConnection: () => socket })
      .once('response', (response) => resolve(takeBody(response)))
      .once('error', reject)
      .end();
  });
  if (body === undefined) throw new Error('the body was not taken');
  expect((await bytesOf(body)).equals(bytes)).toBe(true);
});

describeWith('openssl', 'over https', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mlist-test-'));
  let tls: Tls | undefined;
  beforeAll(() => {
    const authority = new Authority(folder);
    tls = { caFile: authority.certificate.certFile, server: authority.sign('server') };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  bodies(() => tls);
  describe('many at once', () => stress(() => tls));
});

function bodies(tls: () => Tls | undefined = () => undefined): void {
  const readFrom = async (answers: Answer, options: Partial<RegistryOptions> = {}) =>
    bytesOf((await serverThat(answers, tls())).source(options).readBlob(blob.descriptor));

  test.each<[string, readonly (string | Uint8Array)[]]>([
    ['in one go', [Buffer.concat([Buffer.from(head), bytes])]],
    ['after its headers', [head, bytes]],
    [
      'in small parts',
      [
        head,
        ...[1, 20_000, 60_000, 1_000_000].map((at, index, all) => bytes.subarray(all[index - 1] ?? 0, at)),
        bytes.subarray(1_000_000),
      ],
    ],
    ['after a hint', ['HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', head, bytes]],
    [
      'in chunks',
      [
        `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${(1_000_000).toString(16)}\r\n`,
        bytes.subarray(0, 1_000_000),
        `\r\n${(4_000_000).toString(16)}\r\n`,
        bytes.subarray(1_000_000),
        '\r\n0\r\n\r\n',
      ],
    ],
    ['with more behind it', [head, bytes, 'HTTP/1.1 200 OK\r\n\r\n']],
  ])('a body that comes %s is whole', async (_name, parts) => {
    const read = await readFrom(async (socket) => {
      for (const part of parts) await write(socket, part);
    });
    expect(read.equals(bytes)).toBe(true);
  });

  test.each<[string, Answer, string]>([
    [
      'is cut',
      async (socket) => {
        await write(socket, head);
        await write(socket, bytes.subarray(0, 1_000_000));
        socket.destroy();
      },
      'ERR_MLIST_NETWORK',
    ],
    [
      'ends too early',
      async (socket) => {
        await write(socket, head);
        socket.end(bytes.subarray(0, 4_999_999));
      },
      'ERR_MLIST_NETWORK',
    ],
    [
      'stops',
      async (socket) => {
        await write(socket, head);
        await write(socket, bytes.subarray(0, 1_000_000));
      },
      'ERR_MLIST_TIMEOUT',
    ],
    ['has no head', (socket) => write(socket, bytes), 'ERR_MLIST_NETWORK'],
    [
      'has a head without an end',
      (socket) => write(socket, `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000_000)}`),
      'ERR_MLIST_NETWORK',
    ],
    [
      'states two lengths',
      (socket) => write(socket, head.replace('content', 'content-length: 2000000\r\ncontent')),
      'ERR_MLIST_NETWORK',
    ],
    [
      'has a length and chunks',
      (socket) => write(socket, head.replace('content', 'transfer-encoding: chunked\r\ncontent')),
      'ERR_MLIST_NETWORK',
    ],
    [
      'is another',
      async (socket) => {
        await write(socket, head);
        await write(socket, Buffer.alloc(bytes.length));
      },
      'ERR_MLIST_CONTENT_MISMATCH',
    ],
  ])('an answer that %s is an error', async (_name, answers, code) => {
    await expect(readFrom(answers, { timeoutMs: 1000 })).rejects.toMatchObject({ code });
  });

  test('bytes are passed on before the server sends more', async () => {
    let passedOn: () => void = () => undefined;
    const firstBytes = new Promise<void>((resolve) => (passedOn = resolve));
    const { source } = await serverThat(async (socket) => {
      await write(socket, head);
      await write(socket, bytes.subarray(0, 10));
      await firstBytes;
      await write(socket, bytes.subarray(10));
    }, tls());
    const read: Uint8Array[] = [];
    for await (const chunk of source().readBlob(blob.descriptor)) {
      read.push(chunk);
      passedOn();
    }
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
  });

  test('an abort ends a body', async () => {
    const leaving = new AbortController();
    const { source } = await serverThat(async (socket) => {
      await write(socket, head);
      await write(socket, bytes.subarray(0, 2_000_000));
    }, tls());
    const read = async () => {
      for await (const chunk of source().readBlob(blob.descriptor, { signal: leaving.signal }))
        leaving.abort(new Error(`enough after ${chunk.length} bytes`));
    };
    await expect(read()).rejects.toThrow('enough');
  });

  test('the server waits for a slow reader', async () => {
    const large = { ...blob.descriptor, size: 64 * bytes.length };
    let sent = 0;
    const { source } = await serverThat(async (socket) => {
      await write(socket, head.replace(String(bytes.length), String(large.size)));
      while (sent < large.size && !socket.destroyed) {
        await write(socket, bytes);
        sent += bytes.length;
      }
    }, tls());
    const chunks = source().readBlob(large)[Symbol.asyncIterator]() as AsyncGenerator<Uint8Array>;
    await chunks.next();
    // Until nothing more is accepted.
    for (let before = -1; before !== sent;) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await chunks.return(undefined);
    expect(sent).toBeLessThan(large.size / 4);
  });

  test.each<[string, number, number]>([
    ['a short body is used again', 900_000, 1],
    ['a large body is closed', 5_000_000, 2],
  ])('the connection of %s', async (_name, length, connections) => {
    const body = bytes.subarray(0, length);
    const server = await serverThat(async (socket) => {
      await write(socket, head.replace(String(bytes.length), String(length)));
      await write(socket, body);
    }, tls());
    const source = server.source();
    const { descriptor } = layerOf(length, 'large');
    for (let reads = 0; reads < 2; reads += 1)
      expect((await bytesOf(source.readBlob(descriptor))).equals(body)).toBe(true);
    expect(server.connections()).toBe(connections);
  });
}

/** A blob of which each 8 bytes state its number and their place, so that a part of another blob is noticed anywhere. */
function numbered(blobNumber: number, length: number): ManifestContent {
  const words = new BigUint64Array(length / 8).map((_, at) => (BigInt(blobNumber + 1) << 40n) + BigInt(at));
  return blobOf(new Uint8Array(words.buffer), 'application/vnd.oci.image.layer.v1.tar+gzip');
}

/** Sends a blob in pieces, between which other connections receive. */
const inPieces =
  (headers: (length: number) => Readonly<Record<string, number>>, length: number): Rule =>
  async ({ seen, response }) => {
    const wanted = blobsByPath.get(seen.path)!.bytes;
    response.writeHead(200, headers(wanted.length));
    for (let at = 0; at < wanted.length && !response.destroyed; at += length) {
      response.write(wanted.subarray(at, at + length));
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };

const blobsByPath = new Map<string, ManifestContent>();

/** How a server sends a blob. The rule applies to its first request. */
const sendings: Readonly<Record<string, Rule>> = {
  'as a whole': ({ pass }) => pass(),
  'in pieces': inPieces((length) => ({ 'content-length': length }), 50_001),
  'in chunks': inPieces(() => ({}), 70_003),
  'up to a cut': ({ pass }) => pass({ cutAfter: 700_001 }),
};

interface Reading {
  readonly blob: ManifestContent;
  readonly source: Repository;
  readonly target: Repository;
}

/** What the client does with a blob. Each must see all of its bytes, and no others. */
const readings: Readonly<Record<string, (reading: Reading) => Promise<void>>> = {
  uploaded: async ({ blob: { descriptor }, source, target }) =>
    target.putBlob(descriptor, () => source.readBlob(descriptor)),
  'uploaded slowly': async ({ blob: { descriptor }, source, target }) =>
    target.putBlob(descriptor, () => slowly(source.readBlob(descriptor))),
  kept: async ({ blob: one, source }) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of slowly(source.readBlob(one.descriptor))) chunks.push(chunk);
    kept.push(() => expect(Buffer.concat(chunks).equals(one.bytes)).toBe(true));
  },
  'aborted, and then uploaded': async (reading) => {
    await abortedAfter(300_000, reading);
    await readings['uploaded']!(reading);
  },
};

/** Checks of chunks that a reader keeps until all blobs have been read. */
const kept: (() => void)[] = [];

async function* slowly(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of chunks) {
    if ((at += 1) % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    yield chunk;
  }
}

/** Aborts a download, or the upload that it feeds, after some bytes. */
async function abortedAfter(length: number, { blob: { descriptor }, source, target }: Reading): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  async function* cut() {
    let received = 0;
    for await (const chunk of source.readBlob(descriptor, { signal })) {
      received += chunk.length;
      if (received > length) controller.abort(new Error('enough'));
      yield chunk;
    }
  }
  await expect(target.putBlob(descriptor, cut, { signal })).rejects.toThrow('enough');
}

function stress(tls: () => Tls | undefined = () => undefined): void {
  async function registries() {
    const options = { tls: tls()?.server };
    const [from, to] = [await served({}, options), await served({}, options)];
    const used = session({ caFile: tls()?.caFile, concurrency: 24 });
    return { from, source: repository(used, from.host, 'repo'), target: repository(used, to.host, 'repo') };
  }

  test('no byte of one blob gets into another', async () => {
    const { from, source, target } = await registries();
    const [senders, readers] = [Object.values(sendings), Object.values(readings)];
    for (let round = 0; round < roundsOf(1, 2); round += 1) {
      const blobs = Array.from({ length: roundsOf(8, 24) }, (_, at) =>
        numbered(round * 100 + at, 1_100_000 + at * 40_008),
      );
      for (const [at, one] of blobs.entries()) {
        const path = `/v2/repo/blobs/${one.descriptor.digest}`;
        blobsByPath.set(path, one);
        await put(source, one);
        from.proxy.on(new RegExp(`^GET ${path}`), senders[at % senders.length]!, 1);
      }
      await Promise.all(
        blobs.map((one, at) =>
          readers[(at + Math.floor(at / senders.length)) % readers.length]!({ blob: one, source, target }),
        ),
      );
      for (const check of kept.splice(0)) check();
      blobsByPath.clear();
    }
  });

  test('the memory of a body is reused for later ones, also if these have other lengths', async () => {
    const { source, target } = await registries();
    const allocations = jest.spyOn(Buffer, 'allocUnsafeSlow');
    for (let at = 0; at < 16; at += 1) {
      const one = numbered(at, at % 2 === 0 ? 1_100_000 : 4_300_000);
      await put(source, one);
      await target.putBlob(one.descriptor, () => source.readBlob(one.descriptor));
    }
    const blocks = allocations.mock.calls.filter(([length]) => length >= 32_768);
    allocations.mockRestore();
    expect(blocks.length).toBeLessThan(20);
  });

  if (!isLong) return;
  test('no memory is lost if a transfer is aborted', async () => {
    const { source, target } = await registries();
    const one = numbered(0, 8_000_000);
    await put(source, one);
    const abort = async (times: number) => {
      const limiter = new Limiter(10);
      const lengths = Array.from({ length: times }, (_, at) => (at % 10) * 40_000);
      await Promise.all(
        lengths.map((length) => limiter.run(() => abortedAfter(length, { blob: one, source, target }))),
      );
      collectGarbage();
      return process.memoryUsage().arrayBuffers;
    };
    const before = await abort(20);
    const limit = before + 8 * 1024 * 1024;
    let after = await abort(roundsOf(20, 500));
    // On a busy machine, connections that were aborted last may still be closing.
    for (let tries = 0; after >= limit && tries < 100; tries += 1) {
      await sleep(100);
      collectGarbage();
      after = process.memoryUsage().arrayBuffers;
    }
    expect(after).toBeLessThan(limit);
  });
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

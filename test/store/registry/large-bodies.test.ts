import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { takeBody, withReceiveBuffer } from '../../../src/store/registry/http/receive-buffer.ts';
import type { RegistryOptions } from '../../../src/store/registry/registry-options.ts';
import { Authority, type Certificate } from '../../support/certificates.ts';
import { describeWith } from '../../support/programs.ts';
import { bytesOf } from '../samples.ts';
import { cleanup, layerOf, repository, session } from './setup.ts';

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
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
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

describe('over http', () => bodies());

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

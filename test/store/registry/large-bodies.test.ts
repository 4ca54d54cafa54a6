import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { bytesOf } from '../samples.ts';
import { cleanup, layerOf, repository, session } from './setup.ts';

/** A blob is read completely with any valid framing of the response. With any other framing, reading it fails. */

const blob = layerOf(5_000_000, 'large');
const { bytes } = blob;
const length = `content-length: ${bytes.length}`;

/** A server that sends the same response to every request. */
async function serverThat(answers: (socket: Socket) => Promise<void>): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => void answers(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function write(socket: Socket, part: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => socket.write(part, () => setTimeout(resolve, 5)));
}

function readFrom(host: string): Promise<Buffer> {
  return bytesOf(repository(session({ retries: 0 }), host, 'repo').readBlob(blob.descriptor));
}

test.each<[string, readonly (string | Uint8Array)[]]>([
  ['in one go', [Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${length}\r\n\r\n`), bytes])]],
  ['after a hint', ['HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', `HTTP/1.1 200 OK\r\n${length}\r\n\r\n`, bytes]],
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
  ['with more behind it', [`HTTP/1.1 200 OK\r\n${length}\r\n\r\n`, bytes, 'HTTP/1.1 200 OK\r\n\r\n']],
])('a body that comes %s is whole', async (_name, parts) => {
  const host = await serverThat(async (socket) => {
    for (const part of parts) await write(socket, part);
  });
  expect((await readFrom(host)).equals(bytes)).toBe(true);
});

test.each<[string, (socket: Socket) => Promise<void>, string]>([
  [
    'is cut',
    async (socket) => {
      await write(socket, `HTTP/1.1 200 OK\r\n${length}\r\n\r\n`);
      await write(socket, bytes.subarray(0, 1_000_000));
      socket.destroy();
    },
    'ERR_MLIST_NETWORK',
  ],
  ['has no head', (socket) => write(socket, bytes), 'ERR_MLIST_NETWORK'],
  [
    'has a head without an end',
    (socket) => write(socket, `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000_000)}`),
    'ERR_MLIST_NETWORK',
  ],
  [
    'is another',
    async (socket) => {
      await write(socket, `HTTP/1.1 200 OK\r\n${length}\r\n\r\n`);
      await write(socket, Buffer.alloc(bytes.length));
    },
    'ERR_MLIST_CONTENT_MISMATCH',
  ],
])('an answer that %s is an error', async (_name, answers, code) => {
  await expect(readFrom(await serverThat(answers))).rejects.toMatchObject({ code });
});

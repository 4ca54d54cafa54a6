import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/** The first byte of a TLS connection: the type of a handshake record (RFC 8446 section 5.1). */
const HANDSHAKE = 22;

/** The time that a client has to read the response before the connection is closed. */
const LINGER_MS = 2_000;

const body = JSON.stringify({
  errors: [{ code: 'UNSUPPORTED', message: 'this port serves HTTPS only: use https:// instead of http://' }],
});

const response = [
  'HTTP/1.1 400 Bad Request',
  'content-type: application/json',
  `content-length: ${Buffer.byteLength(body)}`,
  'connection: close',
  '',
  body,
].join('\r\n');

/**
 * Answers plain HTTP requests on the port of an HTTPS server with status 400. Otherwise, the client would only see that
 * the connection is closed.
 * @param idleMs - the time after which a connection is closed if the client has sent nothing
 */
export function answerPlainHttp(server: Server, idleMs: number): void {
  const startTls = server.listeners('connection') as ((socket: Socket) => void)[];
  const undecided = new Set<Socket>();
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const ignore = (): void => undefined;
    undecided.add(socket);
    socket.on('error', ignore);
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.once('close', () => undecided.delete(socket));
    socket.once('readable', () => {
      const start = socket.read() as Buffer | null;
      if (start === null) return socket.destroy();
      undecided.delete(socket);
      if (isHttp(start)) return refuse(socket);
      socket.removeListener('error', ignore);
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.unshift(start);
      for (const listener of startTls) listener.call(server, socket);
    });
  });
  const closeAll = server.closeAllConnections.bind(server);
  server.closeAllConnections = () => {
    for (const socket of undecided) socket.destroy();
    closeAll();
  };
}

/** Whether the bytes are the start of an HTTP request, not of a TLS connection. */
function isHttp(start: Buffer): boolean {
  return start[0] !== HANDSHAKE && /^[A-Z]+(?: |$)/.test(start.toString('latin1', 0, 8).split(' ', 1)[0] ?? '');
}

function refuse(socket: Socket): void {
  socket.setTimeout(LINGER_MS, () => socket.destroy());
  socket.end(response);
  // Reads the rest of the request: closing the connection with unread data would reset it, and the client might lose
  // the response.
  socket.resume();
}

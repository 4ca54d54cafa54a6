import type { AddressInfo, Server, Socket } from 'node:net';
import { cleanup } from './cleanup.ts';

/**
 * Makes a server listen on a free port until the end of the test, which also closes its connections.
 * @returns its host, with the port
 */
export async function listenUntilEnd(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

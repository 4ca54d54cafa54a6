import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { AddressInfo, Server, Socket } from 'node:net';

/** Number of event loop turns without activity after which the process counts as idle. */
const QUIET_TURNS = 10;

/** Names of pending operations: files, DNS lookups, connections. */
const pendingOperation = /Req|Connect/;

/**
 * Counts sequential round trips. Requests are held until the process is idle; then all of them are answered, while new
 * requests wait for the next wave. A request is in a later wave only if it had to wait for a response. Client and server
 * must run in this process.
 */
export class RequestWaves {
  readonly #waiting = new Map<Socket, { readonly go: (wave: number) => void; readonly ended: Promise<void> }>();
  readonly #servers: Server[] = [];
  readonly #clients = new Set<Socket>();
  /** The server's socket by client port and server port. A client may use the same port for two servers. */
  readonly #accepted = new Map<string, Socket>();
  #isRunning = false;
  #number = 0;

  constructor() {
    subscribe('net.client.socket', this.#connecting);
  }

  /** Number of waves so far. */
  get number(): number {
    return this.#number;
  }

  reset(): void {
    this.#number = 0;
  }

  close(): void {
    unsubscribe('net.client.socket', this.#connecting);
  }

  /** Holds the requests to this server. */
  watch(server: Server): void {
    this.#servers.push(server);
    server.on('connection', (socket: Socket) => {
      const ports = `${socket.remotePort} ${socket.localPort}`;
      this.#accepted.set(ports, socket);
      socket.once('close', () => this.#accepted.delete(ports));
    });
  }

  /**
   * Waits for the wave of a request.
   * @param socket - the server's socket of the connection
   * @param ended - resolves when the response has been sent
   * @returns the number of the wave, from 1
   */
  enter(socket: Socket, ended: Promise<void>): Promise<number> {
    return new Promise((go) => {
      this.#waiting.set(socket, { go, ended });
      if (!this.#isRunning) void this.#run();
    });
  }

  readonly #connecting = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    this.#clients.add(socket);
    socket.once('close', () => this.#clients.delete(socket));
  };

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.size > 0) {
      await this.#quiet();
      const wave = [...this.#waiting.values()];
      this.#waiting.clear();
      this.#number += 1;
      for (const { go } of wave) go(this.#number);
      await Promise.all(wave.map(({ ended }) => ended));
    }
    this.#isRunning = false;
  }

  async #quiet(): Promise<void> {
    for (let turns = 0; turns < QUIET_TURNS; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#isBusy()) turns = 0;
    }
  }

  #isBusy(): boolean {
    if (process.getActiveResourcesInfo().some((resource) => pendingOperation.test(resource))) return true;
    const ports = new Set(this.#servers.map((server) => (server.address() as AddressInfo | null)?.port));
    return [...this.#clients].some((client) => {
      if (client.connecting) return true;
      return (
        ports.has(client.remotePort) &&
        this.#isSending(client, this.#accepted.get(`${client.localPort} ${client.remotePort}`))
      );
    });
  }

  /** Whether bytes are in transit, other than those of a request that is already held. */
  #isSending(client: Socket, server: Socket | undefined): boolean {
    if (server === undefined) return true;
    if (this.#waiting.has(server)) return false;
    return client.bytesWritten !== server.bytesRead || server.bytesWritten !== client.bytesRead;
  }
}

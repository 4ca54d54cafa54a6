import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { AddressInfo, Server, Socket } from 'node:net';

/** Turns of the event loop in which nothing may be under way. */
const QUIET_TURNS = 10;

/** Requests to the operating system that the process waits for: files, names, connections. */
const underWay = /Req|Connect/;

/**
 * Counts answers that have to come one after the other. Requests are held until the process has nothing under way that
 * could lead to another request; then all of them are answered, while new requests wait for the next wave. A request is
 * in a later wave only if it had to wait for an answer. Client and server must run in this process.
 */
export class RequestWaves {
  readonly #waiting = new Map<Socket, { readonly go: (wave: number) => void; readonly ended: Promise<void> }>();
  readonly #servers: Server[] = [];
  readonly #clients = new Set<Socket>();
  /** The server's side of each connection. The client's port is not enough: it may be in use towards two servers. */
  readonly #accepted = new Map<string, Socket>();
  #isRunning = false;
  #number = 0;

  constructor() {
    subscribe('net.client.socket', this.#connecting);
  }

  /** Waves so far. */
  get number(): number {
    return this.#number;
  }

  forget(): void {
    this.#number = 0;
  }

  close(): void {
    unsubscribe('net.client.socket', this.#connecting);
  }

  /** The requests of this server go in waves. */
  watch(server: Server): void {
    this.#servers.push(server);
    server.on('connection', (socket: Socket) => {
      const ports = `${socket.remotePort} ${socket.localPort}`;
      this.#accepted.set(ports, socket);
      socket.once('close', () => this.#accepted.delete(ports));
    });
  }

  /**
   * Waits for the wave that a request goes with.
   * @param socket - the server's side of the connection that it came on
   * @param ended - when its answer has gone out
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
    if (process.getActiveResourcesInfo().some((resource) => underWay.test(resource))) return true;
    const ports = new Set(this.#servers.map((server) => (server.address() as AddressInfo | null)?.port));
    return [...this.#clients].some((client) => {
      if (client.connecting) return true;
      return (
        ports.has(client.remotePort) &&
        this.#isSending(client, this.#accepted.get(`${client.localPort} ${client.remotePort}`))
      );
    });
  }

  /** Whether bytes are on their way, other than those of a request that already waits. */
  #isSending(client: Socket, server: Socket | undefined): boolean {
    if (server === undefined) return true;
    if (this.#waiting.has(server)) return false;
    return client.bytesWritten !== server.bytesRead || server.bytesWritten !== client.bytesRead;
  }
}

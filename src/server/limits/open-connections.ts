import type { Socket } from 'node:net';

interface Connection {
  readonly client: string;
  readonly socket: Socket;
  /** The number of requests in progress. */
  requests: number;
}

/**
 * Limits the open connections of a server. At the limit, a new connection replaces the one that has been idle for the
 * longest time. If none is idle, the new connection is closed.
 */
export class OpenConnections {
  readonly #limit: number;
  readonly #byClient = new Map<string, Connection>();
  /** Connections without a running request. The one that has been idle for the longest time comes first. */
  readonly #idle = new Set<Connection>();
  #closed = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get open(): number {
    return this.#byClient.size;
  }

  /** The number of connections that were closed because of the limit. */
  get closed(): number {
    return this.#closed;
  }

  /**
   * Adds a new connection. At the limit, closes the connection that has been idle for the longest time or, if there is
   * none, the new one.
   */
  add(socket: Socket): void {
    if (this.open >= this.#limit) {
      const [longestIdle] = this.#idle;
      this.#closed += 1;
      (longestIdle?.socket ?? socket).destroy();
      if (longestIdle === undefined) return;
      this.#remove(longestIdle);
    }
    const client = clientOf(socket);
    const connection = { client, socket, requests: 0 };
    this.#byClient.set(client, connection);
    this.#idle.add(connection);
    socket.once('close', () => this.#remove(connection));
  }

  /**
   * Records that a request has begun, so that its connection is not treated as idle.
   * @param socket - the socket of the request. With TLS, it is not the object that was passed to `add`
   * @returns a function that the caller must call when the request has ended
   */
  begin(socket: Socket): () => void {
    const client = clientOf(socket);
    const connection = this.#byClient.get(client);
    if (connection === undefined) return () => undefined;
    connection.requests += 1;
    this.#idle.delete(connection);
    return () => {
      connection.requests -= 1;
      if (connection.requests === 0 && this.#byClient.get(client) === connection) this.#idle.add(connection);
    };
  }

  #remove(connection: Connection): void {
    const { client } = connection;
    if (this.#byClient.get(client) === connection) this.#byClient.delete(client);
    this.#idle.delete(connection);
  }
}

/** Returns a key for a connection. The TCP socket and the TLS socket of a connection have the same key. */
function clientOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

import type { Socket } from 'node:net';

interface Connection {
  readonly client: string;
  readonly socket: Socket;
  /** Requests without a complete response. */
  requests: number;
}

/**
 * Limits the open connections of a server. At the limit, the connection that has been without a request for the longest
 * time is closed for a new one. If all connections have requests, the new one is closed.
 */
export class OpenConnections {
  readonly #limit: number;
  readonly #byClient = new Map<string, Connection>();
  /** Connections without a request, the longest idle first. */
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

  /** Adds a new connection. */
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
   * Records that a request has begun, so that its connection is not idle.
   * @param socket - the socket of the request; with TLS, it is not the one that was added
   * @returns the function to call at its end
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

/** Identifies a connection to one server, also by its TLS socket. */
function clientOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

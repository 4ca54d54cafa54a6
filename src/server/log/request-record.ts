import type { IncomingMessage, ServerResponse } from 'node:http';

/** The names of the endpoints in the metrics. */
export type Endpoint =
  | 'ping'
  | 'catalog'
  | 'manifest'
  | 'upload'
  | 'blob'
  | 'tags'
  | 'referrers'
  | 'repository'
  | 'token'
  | 'health'
  | 'metrics'
  | 'page'
  | 'other';

/** Records what the log and the metrics report about a request. */
export class RequestRecord {
  readonly method: string;
  /** Path of the request with its query, as it was sent. */
  readonly path: string;
  /** IP address of the client. */
  readonly client: string;
  readonly #started = performance.now();
  readonly #response: ServerResponse;
  /** The authenticated user; undefined if the client has not logged in, and for all requests with `tokenLogin`. */
  user: string | undefined;
  endpoint: Endpoint = 'other';
  /** Bytes of the request body that were read. */
  received = 0;
  /** Bytes of the response body. */
  sent = 0;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.method = request.method ?? '';
    this.path = request.url ?? '';
    // On a server that listens on `::`, IPv4 addresses have the form ::ffff:a.b.c.d.
    this.client = (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    this.#response = response;
    if (request.method !== 'HEAD') this.#countSent(response);
  }

  /** HTTP status; 0 if no response was sent. */
  get status(): number {
    return this.#response.headersSent ? this.#response.statusCode : 0;
  }

  get isAborted(): boolean {
    return !this.#response.writableFinished;
  }

  get milliseconds(): number {
    return performance.now() - this.#started;
  }

  /** Counts the bytes of the response body, regardless of which handler writes them. */
  #countSent(response: ServerResponse): void {
    const write = response.write.bind(response) as (...args: unknown[]) => boolean;
    const end = response.end.bind(response) as (...args: unknown[]) => ServerResponse;
    const count = (chunk: unknown): void => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) this.sent += Buffer.byteLength(chunk);
    };
    response.write = (...args: unknown[]) => {
      count(args[0]);
      return write(...args);
    };
    response.end = (...args: unknown[]) => {
      count(args[0]);
      return end(...args);
    };
  }
}

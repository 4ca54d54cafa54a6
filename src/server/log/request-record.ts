import type { IncomingMessage, ServerResponse } from 'node:http';

/** The endpoints, as the metrics name them. */
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

/** What is known about a request, for the log and the metrics. */
export class RequestRecord {
  readonly method: string;
  /** Path of the request with its query, as it was sent. */
  readonly path: string;
  /** Address of the client. */
  readonly client: string;
  readonly #started = performance.now();
  readonly #response: ServerResponse;
  /** The user who has logged in. */
  user: string | undefined;
  endpoint: Endpoint = 'other';
  /** Bytes of the request body that were read. */
  received = 0;
  /** Bytes of the response body. */
  sent = 0;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.method = request.method ?? '';
    this.path = request.url ?? '';
    // A server that listens on `::` states IPv4 addresses in this form.
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

  /** Counts what is written, whichever handler writes it. */
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

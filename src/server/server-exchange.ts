import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Access, Caller } from './auth/access.ts';
import type { Metrics } from './log/metrics.ts';
import type { RequestRecord } from './log/request-record.ts';
import { requestBody } from './limits/received-body.ts';
import type { OpenConnections } from './limits/open-connections.ts';
import type { Limits } from './limits/server-limits.ts';
import type { RepositoryGates } from './repository-gates.ts';
import type { RequestError } from './request-error.ts';
import type { Repositories } from './storage.ts';
import type { UploadSessions } from './upload-sessions.ts';

/** State shared by all requests. */
export interface Service {
  readonly repositories: Repositories;
  readonly uploads: UploadSessions;
  /** Separates what adds manifests from what removes content, in each repository. */
  readonly changes: RepositoryGates;
  readonly readOnly: boolean;
  /** Whether a manifest may refer to content that the repository does not have. */
  readonly allowSparse: boolean;
  readonly access: Access;
  readonly metrics: Metrics;
  /** Requests without a complete response. */
  readonly running: ReadonlySet<unknown>;
  readonly connections: OpenConnections;
  /** Whether the registry is stopping, and only completes what has begun. */
  isDraining: boolean;
  readonly limits: Limits;
}

/** A request and its response. */
export interface ServerExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly service: Service;
  readonly caller: Caller;
  readonly record: RequestRecord;
  /** The repository name, validated; empty if the path has none. */
  readonly name: string;
  /** The last segment of the path: a tag, a digest or an upload id; not validated. */
  readonly lastSegment: string;
  readonly query: URLSearchParams;
}

export type Handler = (exchange: ServerExchange) => Promise<void>;

export type Headers = Readonly<Record<string, string | number>>;

/** Sends a response with a complete body. The response to a HEAD request has the same headers without the body. */
export function reply(
  { request, response }: Pick<ServerExchange, 'request' | 'response'>,
  status: number,
  headers: Headers = {},
  body: Uint8Array | string = '',
): void {
  const hasBody = status !== 204 && status !== 304;
  response.writeHead(status, hasBody ? { ...headers, 'content-length': Buffer.byteLength(body) } : { ...headers });
  response.end(hasBody && request.method !== 'HEAD' ? body : undefined);
}

export function replyJson(exchange: ServerExchange, body: unknown, headers: Headers = {}): void {
  reply(exchange, 200, { 'content-type': 'application/json', ...headers }, JSON.stringify(body));
}

/** Sends an error response (distribution-spec v1.1.1 "Error Codes"). */
export function replyError(exchange: Pick<ServerExchange, 'request' | 'response'>, error: RequestError): void {
  const headers = { 'content-type': 'application/json', ...error.headers };
  reply(exchange, error.status, headers, JSON.stringify({ errors: error.problems }));
}

/**
 * Streams a body. The next chunk is requested when the previous one was passed to the operating system. A failure after the
 * first chunk closes the connection.
 */
export async function replyStream(
  { response }: ServerExchange,
  status: number,
  headers: Headers,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const reading = chunks[Symbol.asyncIterator]();
  let onClose: () => void = () => undefined;
  response.once('close', () => onClose());
  const written = async (write: (done: () => void) => void): Promise<void> => {
    await new Promise<void>((resolve) => write((onClose = resolve)));
    if (response.closed && !response.writableFinished) throw new ClientDisconnected();
  };
  try {
    let next = await reading.next();
    response.writeHead(status, { ...headers });
    for (; next.done !== true; next = await reading.next()) {
      const { value } = next;
      await written((done) => response.write(value, done));
    }
    await written((done) => response.end(done));
  } finally {
    await reading.return?.();
  }
}

/** The error of Node's streams for a connection that ends too early. */
class ClientDisconnected extends Error {
  readonly code = 'ERR_STREAM_PREMATURE_CLOSE';

  constructor() {
    super('the client has disconnected');
  }
}

/**
 * The request body.
 * @throws RequestError 413 if it has more than `maxBytes`, 408 if the client is too slow
 */
export async function* bodyOf(
  { request, record, service }: ServerExchange,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of requestBody(request, service.limits, maxBytes)) {
    record.received += chunk.length;
    yield chunk;
  }
}

/**
 * Handles the requests of a connection one after another. A client may send several without waiting for responses. They are
 * sent in this order in any case, so responses that are ready too early would only be held in memory.
 */
export class ConnectionQueue {
  readonly #last = new WeakMap<Socket, Promise<void>>();

  /**
   * Runs work, which never rejects, after the earlier requests of the connection. If the client has disconnected by then, the
   * work is skipped, since Node emits no event for a response that has never had its turn.
   */
  run(connection: Socket, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(connection);
    const running = before === undefined ? work() : before.then(() => (connection.destroyed ? undefined : work()));
    this.#last.set(connection, running);
    return running;
  }
}

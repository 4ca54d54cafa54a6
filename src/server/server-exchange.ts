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
  /** Prevents content of a repository from being removed while other changes to this repository run. */
  readonly changes: RepositoryGates;
  readonly readOnly: boolean;
  /** Whether a manifest may refer to content that the repository does not have. */
  readonly allowSparse: boolean;
  readonly access: Access;
  readonly metrics: Metrics;
  /** One element for each request whose response is not complete. */
  readonly running: ReadonlySet<unknown>;
  readonly connections: OpenConnections;
  /** Whether the registry is stopping. It then refuses new connections, and waits for requests and uploads to end. */
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
  /** The validated repository name; empty if the path has none. */
  readonly name: string;
  /** The tag, digest or upload id at the end of the path; empty if the path has none. It is not validated. */
  readonly lastSegment: string;
  readonly query: URLSearchParams;
}

export type Handler = (exchange: ServerExchange) => Promise<void>;

export type Headers = Readonly<Record<string, string | number>>;

/** Sends a response with a complete body. A response to HEAD has the same headers and no body. */
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
 * Streams a response body. Each chunk is read after the previous one was passed to the operating system. An error
 * before the first chunk can still be sent as a response. After a later error, the caller must close the connection.
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

/**
 * Thrown if the client closes the connection before the response is complete. It has the same code as the corresponding
 * error of Node streams.
 */
class ClientDisconnected extends Error {
  readonly code = 'ERR_STREAM_PREMATURE_CLOSE';

  constructor() {
    super('the client has disconnected');
  }
}

/**
 * Yields the chunks of the request body, and adds their sizes to the request record.
 * @param limit - the maximum size of the content in bytes
 * @param received - the number of bytes of the content that earlier requests have sent. Default 0
 * @throws RequestError 413 if the limit is exceeded, 408 if the client is too slow
 */
export async function* bodyOf(
  { request, record, service }: ServerExchange,
  limit: number,
  received = 0,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of requestBody(request, service.limits, limit, received)) {
    record.received += chunk.length;
    yield chunk;
  }
}

/**
 * Handles the requests of each connection one after another, even if the client sends them without waiting for
 * responses (pipelining). Node sends the responses in the order of the requests, so a response that is ready early
 * would only occupy memory.
 */
export class ConnectionQueue {
  readonly #last = new WeakMap<Socket, Promise<void>>();

  /**
   * Runs work after the earlier requests of the connection. The work must not reject. It is skipped if the client has
   * disconnected by then: Node would emit no `close` event for the response, so the work would never end.
   */
  run(connection: Socket, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(connection);
    const running = before === undefined ? work() : before.then(() => (connection.destroyed ? undefined : work()));
    this.#last.set(connection, running);
    return running;
  }
}

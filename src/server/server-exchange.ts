import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
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
}

/** A request and its response. */
export interface ServerExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly service: Service;
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

/** Streams a body, with backpressure. A failure closes the connection. */
export async function replyStream(
  { response }: ServerExchange,
  status: number,
  headers: Headers,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  response.writeHead(status, { ...headers });
  await pipeline(chunks, response);
}

/** The request body. The connection stays open if it is not read to its end, so that an error response can be sent. */
export function bodyOf({ request }: ServerExchange): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Uint8Array>;
}

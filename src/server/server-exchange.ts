import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { SerialQueue } from '../async/serial-queue.ts';
import type { RequestError } from './request-error.ts';
import type { Repositories } from './storage.ts';
import type { UploadSessions } from './upload-sessions.ts';

/** What all requests share. */
export interface Service {
  readonly repositories: Repositories;
  readonly uploads: UploadSessions;
  /** Changes of one repository's manifests and tags, one after the other. */
  readonly changes: RepositoryQueues;
  readonly readOnly: boolean;
}

/** One request and its answer. */
export interface ServerExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly service: Service;
  /** The repository's name, checked; empty where the path has none. */
  readonly name: string;
  /** The last part of the path: a tag, a digest, an upload's id; not checked. */
  readonly last: string;
  readonly query: URLSearchParams;
}

export type Handler = (exchange: ServerExchange) => Promise<void>;

export type Headers = Readonly<Record<string, string | number>>;

/** Answers with a body that is at hand. To HEAD goes the same without the body. */
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

/** An error in the form of distribution-spec v1.1.1 "Error Codes". */
export function replyError(exchange: Pick<ServerExchange, 'request' | 'response'>, refusal: RequestError): void {
  const headers = { 'content-type': 'application/json', ...refusal.headers };
  reply(exchange, refusal.status, headers, JSON.stringify({ errors: refusal.problems }));
}

/** Sends a body as it comes, no faster than the client takes it. A failure on the way cuts the connection. */
export async function replyStream(
  { response }: ServerExchange,
  status: number,
  headers: Headers,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  response.writeHead(status, { ...headers });
  await pipeline(chunks, response);
}

/** The request's body. Leaving it half read does not cut the connection, so that an error can still be answered. */
export function bodyOf({ request }: ServerExchange): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Uint8Array>;
}

/** A queue for each repository that is being changed. */
export class RepositoryQueues {
  readonly #queues = new Map<string, { readonly queue: SerialQueue; users: number }>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#queues.get(name) ?? { queue: new SerialQueue(), users: 0 };
    this.#queues.set(name, entry);
    entry.users += 1;
    try {
      return await entry.queue.run(work);
    } finally {
      entry.users -= 1;
      if (entry.users === 0) this.#queues.delete(name);
    }
  }
}

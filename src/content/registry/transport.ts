import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import got, { type PlainResponse } from 'got';
import { MlistError } from '../../errors.ts';

/** One HTTP exchange. The only importer of got; everything that got would do by itself is switched off. */
export interface Exchange {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly agents: Agents;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

export interface Answer {
  readonly status: number;
  /** By lower-case name; repeated headers are joined with commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Must be read to its end, or given up with `discard`. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly discard: () => void;
}

/** Sends one request and gives the answer as soon as its headers are there. Throws what Node throws. */
export async function exchange(request: Exchange): Promise<Answer> {
  const stream = got.stream({
    url: request.url,
    method: request.method,
    headers: { 'accept-encoding': 'identity', ...request.headers },
    agent: request.agents,
    timeout: {
      connect: request.timeoutMs,
      secureConnect: request.timeoutMs,
      socket: request.timeoutMs,
      response: request.timeoutMs,
    },
    retry: { limit: 0 },
    decompress: false,
    followRedirect: false,
    throwHttpErrors: false,
    ...(hasBody(request) ? { body: request.body ?? NO_BODY } : {}),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  const response = await new Promise<PlainResponse>((resolve, reject) => {
    stream.on('error', reject);
    stream.once('response', resolve);
  });
  return {
    status: response.statusCode,
    headers: joined(response.headers),
    body: stream,
    discard: () => stream.destroy(),
  };
}

/** So that `content-length: 0` is sent: some registries refuse a chunked request without a body. */
const NO_BODY = new Uint8Array();

function hasBody({ method }: Exchange): boolean {
  return method === 'PUT' || method === 'POST' || method === 'PATCH';
}

function joined(headers: PlainResponse['headers']): Answer['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

/** Reads a small body whole. What is longer than `most` bytes ends the exchange: nobody reads an endless body. */
export async function readAnswer(answer: Answer, most: number, what: string): Promise<Uint8Array> {
  const announced = Number(answer.headers['content-length'] ?? 0);
  if (announced > most) {
    answer.discard();
    throw tooLong(what, most);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    size += chunk.length;
    if (size > most) {
      answer.discard();
      throw tooLong(what, most);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLong(what: string, most: number): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${what} is longer than ${most} bytes`);
}

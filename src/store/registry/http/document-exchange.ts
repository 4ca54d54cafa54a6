import { request as requestHttp, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import got, { type PlainResponse, type RequestFunction } from 'got';
import { errorCode, MlistError } from '../../../errors/errors.ts';
import { joinHeaders, type HttpResponse } from './response.ts';
import type { Route } from './network.ts';
import { refuseUpgrade } from './upgrade.ts';

/**
 * One HTTP exchange of documents: small bodies both ways. The only importer of got; everything that got would do by
 * itself is switched off. Bodies of any length go by `streamExchange`.
 */
export interface DocumentRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly route: Route;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A document comes whole within so many times the patience for silence, however it trickles. */
const WHOLE_ANSWER = 4;

/** Sends one request and gives the answer as soon as its headers are there. Throws what Node throws. */
export async function sendDocument(request: DocumentRequest): Promise<HttpResponse> {
  const { url, method, route, timeoutMs } = request;
  const { signal, release } = detachableSignal(request.signal);
  const stream = got.stream({
    url,
    method,
    headers: { 'accept-encoding': 'identity', ...route.headers, ...request.headers },
    agent: route.agents,
    timeout: { socket: timeoutMs, response: timeoutMs, request: timeoutMs * WHOLE_ANSWER },
    retry: { limit: 0 },
    decompress: false,
    followRedirect: false,
    throwHttpErrors: false,
    request: route.absolute ? sendAbsolute : send,
    ...(hasBody(request) ? { body: request.body ?? NO_BODY } : {}),
    signal,
  });
  for (const end of ['end', 'error', 'close']) stream.once(end, release);
  const response = await new Promise<PlainResponse>((resolve, reject) => {
    stream.on('error', (error) => reject(causeOf(error)));
    stream.once('response', resolve);
  });
  return {
    status: response.statusCode,
    headers: joinHeaders(response.headers),
    body: stream,
    discard: () => stream.destroy(),
  };
}

/**
 * Aborts with the signal given until it is released. Got listens to its signal as long as that lives, also when all has been
 * read: with a signal of the whole command each request would stay in memory to the end of it.
 */
function detachableSignal(signal: AbortSignal | undefined): {
  readonly signal: AbortSignal;
  readonly release: () => void;
} {
  const own = new AbortController();
  const abort = () => own.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return { signal: own.signal, release: () => signal?.removeEventListener('abort', abort) };
}

/** So that `content-length: 0` is sent: some registries refuse a chunked request without a body; got waits for one. */
const NO_BODY = new Uint8Array();

function hasBody({ method }: DocumentRequest): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

const send: RequestFunction = (url, options, callback) => {
  const begin = url.protocol === 'https:' ? requestHttps : requestHttp;
  const call = begin(url, options as RequestOptions, callback as never);
  refuseUpgrade(call);
  return call;
};

/** For a proxy that passes the request on: the whole address in the first line. */
const sendAbsolute: RequestFunction = (url, options, callback) => send(url, { ...options, path: url.href }, callback);

/** Got wraps errors together with the request. The inner error has the code, and the address that was connected to. */
function causeOf(error: Error): Error {
  const { cause } = error;
  return cause instanceof MlistError || errorCode(cause) !== undefined ? (cause as Error) : error;
}

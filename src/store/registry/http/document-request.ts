import got, { type PlainResponse, type RequestFunction } from 'got';
import { errorCode, MlistError } from '../../../errors/errors.ts';
import type { Route } from './connection-pool.ts';
import type { Http2Slot } from './http2/http2-session.ts';
import { joinHeaders, type HttpResponse } from './response.ts';
import { startRequest } from './start-request.ts';

/** A request whose body is in memory and whose response is small. */
export interface DocumentRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly route: Route;
  /** The HTTP/2 stream for the request. Default: the request uses HTTP/1.1. */
  readonly slot?: Http2Slot | undefined;
  /** Milliseconds without any data after which the request fails. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Timeout for the whole request, as a multiple of `timeoutMs`. Without it, a response that arrives byte by byte would
 * never time out.
 */
const TOTAL_TIMEOUT_FACTOR = 4;

/**
 * Sends one request with got, and returns as soon as the response headers have arrived. Retries, redirects,
 * decompression and errors for HTTP statuses are switched off. No other module imports got.
 * @throws Node's error; ProxyFailure if the connection to a proxy fails; MlistError if a proxy refuses the tunnel, or
 * if configured certificates are invalid
 */
export async function sendDocument(request: DocumentRequest): Promise<HttpResponse> {
  const { url, method, route, slot, timeoutMs } = request;
  const { signal, release } = detachableSignal(request.signal);
  const stream = got.stream({
    url,
    method,
    headers: { 'accept-encoding': 'identity', ...route.headers, ...request.headers },
    agent: route.agents,
    timeout: { socket: timeoutMs, response: timeoutMs, request: timeoutMs * TOTAL_TIMEOUT_FACTOR },
    retry: { limit: 0 },
    decompress: false,
    followRedirect: false,
    throwHttpErrors: false,
    request: sendWith(route, slot),
    ...(hasBody(request) ? { body: request.body ?? NO_BODY } : {}),
    signal,
  });
  for (const event of ['end', 'error', 'close']) stream.once(event, release);
  // The request may end before got has started it, so the slot is released here as well.
  if (slot !== undefined) for (const event of ['error', 'close']) stream.once(event, slot.release);
  const response = await new Promise<PlainResponse>((resolve, reject) => {
    stream.on('error', (error) => reject(causeOf(error)));
    stream.once('response', resolve);
  });
  return {
    status: response.statusCode,
    headers: joinHeaders(response.headers),
    body: stream,
    ...(slot === undefined ? {} : { protocol: 'HTTP/2' }),
    discard: () => stream.destroy(),
  };
}

/**
 * Returns a signal that aborts with the given one until `release` is called. got never removes its listener from a
 * signal, so every request would stay in memory until the end of the command if got received the given signal.
 */
function detachableSignal(signal: AbortSignal | undefined): {
  readonly signal: AbortSignal;
  readonly release: () => void;
} {
  const detachable = new AbortController();
  const abort = () => detachable.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return { signal: detachable.signal, release: () => signal?.removeEventListener('abort', abort) };
}

/**
 * An empty body, for which got sends `content-length: 0`. Without a body, it would send a chunked request, which some
 * registries refuse.
 */
const NO_BODY = new Uint8Array();

function hasBody({ method }: DocumentRequest): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

/**
 * Returns the function that got calls to start the request. If a proxy forwards the request, the request line contains
 * the absolute URL.
 */
function sendWith({ absolute }: Route, slot: Http2Slot | undefined): RequestFunction {
  return (url, options, callback) =>
    startRequest(url, absolute ? { ...options, path: url.href } : options, slot, callback);
}

/**
 * Returns the original error if got has wrapped it. The original error has the code and the address of the failed
 * connection.
 */
function causeOf(error: Error): Error {
  const { cause } = error;
  return cause instanceof MlistError || errorCode(cause) !== undefined ? (cause as Error) : error;
}

import type { IncomingMessage } from 'node:http';
import { byteSize } from '../../text/quantity.ts';
import { RequestError } from '../request-error.ts';
import type { Limits } from './server-limits.ts';

/** The minimum rate of a request body: 1 KiB per second. */
const MIN_BYTES_PER_MS = 1024 / 1000;

/** The time that a client has to send the rest of a request after the response. */
const LINGER_MS = 30_000;

/**
 * Yields the body of a request. If the caller stops early, the connection stays open, so that an error response can be
 * sent. The time that the caller takes to process a chunk does not affect the measured rate.
 * @param limit - the maximum size of the content in bytes. If `received` and the Content-Length together exceed it, the
 *   request is refused before its body is read
 * @param received - the number of bytes of the content that earlier requests have sent. Default 0
 * @throws RequestError 413 if the limit is exceeded, 408 if the body arrives below the minimum rate
 */
export async function* requestBody(
  request: IncomingMessage,
  { slowBodyMs }: Pick<Limits, 'slowBodyMs'>,
  limit: number,
  received = 0,
): AsyncGenerator<Uint8Array> {
  if (received + Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  let [size, recentBytes, waitedMs] = [received, 0, 0];
  let started = performance.now();
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    waitedMs += performance.now() - started;
    size += chunk.length;
    recentBytes += chunk.length;
    if (size > limit) throw tooLarge(limit);
    if (waitedMs > slowBodyMs) {
      if (recentBytes < slowBodyMs * MIN_BYTES_PER_MS) throw tooSlow();
      recentBytes = waitedMs = 0;
    }
    yield chunk;
    started = performance.now();
  }
}

/**
 * Discards the rest of a request that was answered early, so that the client can read the response and reuse the
 * connection. A client that is still sending after half a minute is disconnected.
 */
export function discardRest(request: IncomingMessage): void {
  request.resume();
  if (request.complete) return;
  const timer = setTimeout(() => request.destroy(), LINGER_MS).unref();
  request.once('close', () => clearTimeout(timer));
  request.once('end', () => clearTimeout(timer));
}

function tooLarge(limit: number): RequestError {
  const message = `the content exceeds the limit of ${byteSize(limit)}`;
  return new RequestError(413, { code: 'SIZE_INVALID', message });
}

function tooSlow(): RequestError {
  return new RequestError(408, { code: 'UNAVAILABLE', message: 'the request body arrives too slowly' });
}

import type { IncomingMessage } from 'node:http';
import { byteSize } from '../../text/quantity.ts';
import { RequestError } from '../request-error.ts';
import type { Limits } from './server-limits.ts';

/** The minimum rate of a request body. */
const MIN_BYTES_PER_MS = 1024 / 1000;

/** The time in which the rest of a refused request must arrive. */
const LINGER_MS = 30_000;

/**
 * Reads the body of a request. If the caller stops early, the connection stays open, so that an error response can be
 * sent. The rate is measured only while the registry waits for the client.
 * @param maxBytes - a larger body is refused: before reading if the client states its length, otherwise at the first
 *   chunk above the limit
 * @throws RequestError 413, or 408 if the client is too slow
 */
export async function* requestBody(
  request: IncomingMessage,
  { slowBodyMs }: Pick<Limits, 'slowBodyMs'>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  let [size, recentBytes, waitedMs] = [0, 0, 0];
  let started = performance.now();
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    waitedMs += performance.now() - started;
    size += chunk.length;
    recentBytes += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
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

function tooLarge(maxBytes: number): RequestError {
  const message = `the content has more than ${byteSize(maxBytes)}, the limit of the registry`;
  return new RequestError(413, { code: 'SIZE_INVALID', message });
}

function tooSlow(): RequestError {
  return new RequestError(408, { code: 'UNAVAILABLE', message: 'the request body arrives too slowly' });
}

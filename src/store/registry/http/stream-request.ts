import type { ClientRequest, IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { connectionClosed, timeoutError } from './connect.ts';
import type { DocumentRequest } from './document-request.ts';
import { releaseChunk, takeBody } from './receive-buffer.ts';
import { joinHeaders, type HttpResponse } from './response.ts';
import { startRequest } from './start-request.ts';

/** A request for `sendStream`. Its body and the body of the response may have any length. */
export interface StreamRequest extends Omit<DocumentRequest, 'body'> {
  /** The body. The `content-length` header must contain its length. */
  readonly body?: AsyncIterable<Uint8Array> | undefined;
  /** Milliseconds to wait for the response after the whole body has been sent. */
  readonly responseTimeoutMs: number;
}

/**
 * Sends one request with backpressure, and returns as soon as the response headers have arrived. It does not use got,
 * whose streams are slower. Timeouts run only while it waits for the server, so a download does not time out if the
 * upload that consumes it is slow.
 */
export async function sendStream(request: StreamRequest): Promise<HttpResponse> {
  const clientRequest = start(request);
  const responded = new Promise<Responded>((resolve, reject) => {
    clientRequest.once('response', (response) => resolve({ response, chunks: chunksOf(response, request) }));
    clientRequest.on('error', reject);
    clientRequest.once('close', () => reject(connectionClosed()));
  });
  let hasEnded = false;
  const ended = responded.then(
    () => (hasEnded = true),
    () => (hasEnded = true),
  );
  const written = writeBody(clientRequest, request, () => hasEnded);
  try {
    // If the response arrives first, the rest of the body is not sent.
    await Promise.race([written, ended]);
    const { response, chunks } = await withTimeout(responded, request.responseTimeoutMs, clientRequest);
    const isWritten = clientRequest.writableEnded;
    return {
      ...(request.slot === undefined ? {} : { protocol: 'HTTP/2' }),
      status: response.statusCode ?? 0,
      headers: joinHeaders(response.headers),
      discard: () => response.destroy(),
      body: readWithTimeout(response, chunks, request.timeoutMs, () => {
        if (!response.readableEnded) response.destroy();
        if (!isWritten) clientRequest.destroy();
      }),
    };
  } catch (thrown) {
    clientRequest.destroy();
    throw thrown;
  } finally {
    written.catch(() => undefined);
  }
}

interface Responded {
  readonly response: IncomingMessage;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Returns the body of a response. Large bodies over HTTP/1.1 bypass the HTTP parser. */
function chunksOf(response: IncomingMessage, { method, slot }: StreamRequest): AsyncIterable<Uint8Array> {
  return (method === 'GET' && slot === undefined ? takeBody(response) : undefined) ?? response;
}

function start({ url, method, route, slot, headers, signal }: StreamRequest): ClientRequest {
  const options = {
    method,
    agent: route.agents.https ?? route.agents.http,
    headers: { 'accept-encoding': 'identity', ...route.headers, ...headers },
    ...(route.absolute ? { path: url.href } : {}),
    ...(signal === undefined ? {} : { signal }),
  };
  return startRequest(url, options, slot);
}

/**
 * Writes the body, each chunk after the previous one was accepted. Stops early if a response arrives, or if the request
 * fails.
 */
async function writeBody(clientRequest: ClientRequest, request: StreamRequest, hasEnded: () => boolean): Promise<void> {
  let wake: () => void = () => undefined;
  let isWaiting = false;
  const onTimeout = () => isWaiting && clientRequest.destroy(timeoutError('the server to read the request'));
  const timer = setTimeout(onTimeout, request.timeoutMs);
  const stop = () => wake();
  clientRequest.once('close', stop);
  clientRequest.once('response', stop);
  try {
    for await (const chunk of request.body ?? []) {
      // If the connection was reset, a write would discard a response that has already arrived. This wait lets Node
      // read the response first.
      await setImmediate();
      if (hasEnded() || clientRequest.destroyed) return;
      isWaiting = true;
      timer.refresh();
      await new Promise<void>((resolve) => {
        wake = resolve;
        clientRequest.write(chunk, (error) => {
          if (error === null || error === undefined) releaseChunk(chunk);
          resolve();
        });
      });
      isWaiting = false;
    }
    if (!hasEnded()) clientRequest.end();
  } finally {
    clearTimeout(timer);
  }
}

/** Yields the body as it arrives. The timeout runs only while the caller waits for more. */
async function* readWithTimeout(
  response: IncomingMessage,
  chunks: AsyncIterable<Uint8Array>,
  timeoutMs: number,
  onEnd: () => void,
): AsyncGenerator<Uint8Array> {
  let isWaiting = false;
  const timer = setTimeout(() => isWaiting && response.destroy(timeoutError('the response body')), timeoutMs);
  try {
    const iterator = chunks[Symbol.asyncIterator]();
    for (;;) {
      isWaiting = true;
      timer.refresh();
      const next = await iterator.next();
      isWaiting = false;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
    onEnd();
  }
}

async function withTimeout<T>(work: Promise<T>, milliseconds: number, clientRequest: ClientRequest): Promise<T> {
  const timer = setTimeout(() => clientRequest.destroy(timeoutError('the response')), milliseconds);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

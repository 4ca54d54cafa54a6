import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setImmediate } from 'node:timers/promises';
import { joinHeaders, type HttpResponse } from './response.ts';
import type { DocumentRequest } from './document-exchange.ts';
import { refuseUpgrade } from './upgrade.ts';

/**
 * One HTTP exchange of bodies of any length, over the same connections as `exchange`. By node:http itself, which is
 * faster than got's streams, and with clocks that run only while the other side is waited for: a download does not time
 * out because the upload that it feeds is slow.
 */
export interface StreamRequest extends Omit<DocumentRequest, 'body'> {
  /** What is sent; its length stands in `content-length`. */
  readonly body?: AsyncIterable<Uint8Array> | undefined;
  /** How long to wait for the answer, once all is sent. */
  readonly responseTimeoutMs: number;
}

/** Sends a request, no faster than it is taken, and gives the answer as soon as its headers are there. */
export async function sendStream(request: StreamRequest): Promise<HttpResponse> {
  const call = open(request);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', resolve);
    call.on('error', reject);
    call.once('close', () => reject(broken()));
  });
  let isAnswered = false;
  const noted = answered.then(
    () => (isAnswered = true),
    () => (isAnswered = true),
  );
  const sent = writeBody(call, request, () => isAnswered);
  try {
    // The answer may come before all is sent: then the rest is not wanted.
    await Promise.race([sent, noted]);
    const response = await withTimeout(answered, request.responseTimeoutMs, call);
    const isWhole = call.writableEnded;
    return {
      status: response.statusCode ?? 0,
      headers: joinHeaders(response.headers),
      discard: () => response.destroy(),
      body: readWithTimeout(response, request.timeoutMs, () => {
        if (!response.readableEnded) response.destroy();
        if (!isWhole) call.destroy();
      }),
    };
  } catch (thrown) {
    call.destroy();
    throw thrown;
  } finally {
    sent.catch(() => undefined);
  }
}

function open({ url, method, route, headers, signal }: StreamRequest): ClientRequest {
  const begin = url.protocol === 'https:' ? requestHttps : requestHttp;
  const call = begin(url, {
    method,
    agent: route.agents.https ?? route.agents.http,
    headers: { 'accept-encoding': 'identity', ...route.headers, ...headers },
    ...(route.absolute ? { path: url.href } : {}),
    ...(signal === undefined ? {} : { signal }),
  });
  refuseUpgrade(call);
  return call;
}

/** Sends the body piece by piece, each when the connection has taken the one before, and stops where an answer comes first. */
async function writeBody(call: ClientRequest, request: StreamRequest, isAnswered: () => boolean): Promise<void> {
  let wake: () => void = () => undefined;
  let isWaiting = false;
  const clock = setTimeout(() => isWaiting && call.destroy(timeout()), request.timeoutMs);
  const stop = () => wake();
  call.once('close', stop);
  call.once('response', stop);
  try {
    for await (const chunk of request.body ?? []) {
      // What has arrived is read before more is written: a write to a connection that was reset discards the answer.
      await setImmediate();
      if (isAnswered() || call.destroyed) return;
      isWaiting = true;
      clock.refresh();
      await new Promise<void>((resolve) => {
        wake = resolve;
        call.write(chunk, () => resolve());
      });
      isWaiting = false;
    }
    if (!isAnswered()) call.end();
  } finally {
    clearTimeout(clock);
  }
}

/** The body as it comes; the clock runs only while more is waited for. */
async function* readWithTimeout(
  response: IncomingMessage,
  timeoutMs: number,
  onEnd: () => void,
): AsyncGenerator<Uint8Array> {
  let isWaiting = false;
  const timer = setTimeout(() => isWaiting && response.destroy(timeout()), timeoutMs);
  try {
    const chunks = (response as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    for (;;) {
      isWaiting = true;
      timer.refresh();
      const next = await chunks.next();
      isWaiting = false;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
    onEnd();
  }
}

async function withTimeout<T>(work: Promise<T>, milliseconds: number, call: ClientRequest): Promise<T> {
  const timer = setTimeout(() => call.destroy(timeout()), milliseconds);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

function timeout(): Error {
  return Object.assign(new Error('no sign of life'), { code: 'ETIMEDOUT' });
}

function broken(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
}

import { validateHeaderName, validateHeaderValue, type OutgoingHttpHeaders } from 'node:http';
import type { ClientHttp2Stream } from 'node:http2';
import type { EventEmitter } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { isTimeout } from '../retry.ts';
import { MAX_HEADER_BYTES, protocolError, type Http2Slot } from './http2-session.ts';

export interface Http2RequestOptions {
  readonly method?: string | undefined;
  readonly headers?: OutgoingHttpHeaders | readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

const CANCEL = 0x8;
/** Maximum number of informational (1xx) responses to a request. Registries send few of them, if any. */
const MAX_INFORMATIONAL = 32;

/**
 * A request on one stream of an HTTP/2 session, with the members of node:http's `ClientRequest` that got and
 * `sendStream` use. It collects the whole body in memory, so it is for documents only.
 */
export class Http2Request extends Writable {
  readonly #slot: Http2Slot;
  readonly #url: URL;
  readonly #options: Http2RequestOptions;
  readonly #body: Buffer[] = [];
  readonly #onAbort = () => this.destroy(this.#options.signal?.reason as Error);
  #stream: ClientHttp2Stream | undefined;
  #response: Http2Response | undefined;
  #idleMs = 0;

  constructor(slot: Http2Slot, url: URL, options: Http2RequestOptions) {
    super({ autoDestroy: false });
    this.#slot = slot;
    this.#url = url;
    this.#options = options;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal?.aborted === true) this.#onAbort();
  }

  /** Emits `timeout` if nothing is sent or received for this long. */
  setTimeout(milliseconds: number, onTimeout?: () => void): this {
    this.#idleMs = milliseconds;
    if (onTimeout !== undefined) this.once('timeout', onTimeout);
    this.#stream?.setTimeout(milliseconds);
    return this;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#body.push(chunk);
    callback();
  }

  override _final(callback: (error?: Error) => void): void {
    const body = Buffer.concat(this.#body);
    try {
      const headers = requestHeaders(this.#url, this.#options, body.length);
      const stream = this.#slot.session.start(headers, body.length === 0);
      this.#stream = stream;
      this.#observe(stream);
      if (body.length === 0) return callback();
      // A server may respond before it has read the whole request. That ends the writing, too.
      let isDone = false;
      const done = () => {
        if (!isDone) callback();
        isDone = true;
      };
      for (const event of ['finish', 'response', 'close']) stream.once(event, done);
      stream.end(body);
    } catch (thrown) {
      this.#slot.release();
      callback(thrown as Error);
    }
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    // After a timeout, the connection may be dead, so the next attempt uses another one, as over HTTP/1.1.
    if (isTimeout(error)) this.#slot.session.retire();
    const isComplete = this.#response?.complete === true;
    if (!isComplete) this.#stream?.close(CANCEL);
    if (error !== null) this.#response?.destroy(error);
    this.#slot.release();
    callback(this.listenerCount('error') === 0 ? null : error);
  }

  #observe(stream: ClientHttp2Stream): void {
    const { session } = this.#slot;
    let failure: Error | undefined;
    let informational = 0;
    const isEnded = observeEnd(stream);
    stream.setTimeout(this.#idleMs, () => this.emit('timeout'));
    stream.on('error', (error: Error) => (failure = error));
    stream.on('headers', () => {
      informational += 1;
      if (informational > MAX_INFORMATIONAL) session.fail(protocolError('too many informational responses'));
    });
    (stream as EventEmitter).once('response', (headers: object, _flags: number, raw: readonly string[]) => {
      const status = (headers as { readonly ':status'?: number })[':status'] ?? 0;
      if (sizeOf(raw) > MAX_HEADER_BYTES) return this.#fail(headersTooLarge());
      this.#response = new Http2Response(stream, status, joinedHeaders(raw), isEnded);
      return this.emit('response', this.#response);
    });
    stream.once('close', () => {
      const hasResponse = this.#response !== undefined;
      if (!hasResponse || !isEnded()) this.#fail(session.failureOf(stream, failure, hasResponse));
      else this.destroy();
    });
  }

  /** Fails the response if it has begun, and otherwise the request. */
  #fail(error: Error): void {
    if (this.#response === undefined) return void this.destroy(error);
    this.#response.destroy(error);
    this.destroy();
  }
}

/** A response with the members of node:http's `IncomingMessage` that got and `sendStream` use. */
class Http2Response extends Readable {
  readonly httpVersion = '2.0';
  readonly statusMessage = '';
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly #stream: ClientHttp2Stream;
  /** Whether the whole body has been received. */
  complete = false;

  constructor(stream: ClientHttp2Stream, status: number, headers: Http2Response['headers'], isEnded: () => boolean) {
    super();
    this.#stream = stream;
    this.statusCode = status;
    this.headers = headers;
    stream.pause();
    stream.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.on('end', () => {
      // If the stream ended prematurely, its `close` event fails this response.
      if (!isEnded()) return;
      this.complete = true;
      this.push(null);
    });
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // If the server has answered before it has read the whole request, the rest of the request is cancelled.
    if (!this.complete || !this.#stream.writableFinished) this.#stream.close(CANCEL);
    // As in node:http, an error after the caller has discarded the response is not thrown.
    callback(this.listenerCount('error') === 0 ? null : error);
  }
}

/**
 * Returns a function that reports whether the server has ended the stream. The `end` event does not show this, because
 * Node also emits it if the stream ended prematurely, and a server can reset a stream without an error. Therefore this
 * observes whether Node pushes the end while the stream is still open.
 */
function observeEnd(stream: ClientHttp2Stream): () => boolean {
  let isEnded = false;
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null && !stream.closed && !stream.destroyed) isEnded = true;
    return push(chunk, encoding);
  };
  return () => isEnded;
}

/** Headers of HTTP/1.1 that HTTP/2 forbids (RFC 9113 section 8.2.2), and `host`, which `:authority` replaces. */
const connectionHeaders = ['connection', 'host', 'http2-settings', 'keep-alive', 'proxy-connection', 'te'];
const forbidden = new Set([...connectionHeaders, 'transfer-encoding', 'upgrade']);

function requestHeaders(url: URL, { method = 'GET', headers = {} }: Http2RequestOptions, length: number) {
  const sent: Record<string, string | string[]> = {};
  for (const [header, value] of Object.entries(headers as OutgoingHttpHeaders)) {
    const name = header.toLowerCase();
    if (value === undefined || forbidden.has(name)) continue;
    validateHeaderName(name);
    for (const text of [value].flat()) validateHeaderValue(name, String(text));
    sent[name] = Array.isArray(value) ? value : String(value);
  }
  if (length > 0 || !['GET', 'HEAD'].includes(method)) sent['content-length'] = String(length);
  return {
    ':method': method,
    ':scheme': url.protocol.slice(0, -1),
    ':authority': url.host,
    ':path': `${url.pathname}${url.search}`,
    ...sent,
  };
}

/** Headers that must not be repeated. If they are, the first value is used, as in node:http. */
const single = new Set(
  'age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since last-modified location max-forwards proxy-authorization referer retry-after server user-agent'.split(
    ' ',
  ),
);

/** Joins repeated headers in the same way as node:http, so that a response means the same over both protocols. */
function joinedHeaders(raw: readonly string[]): Http2Response['headers'] {
  const values = new Map<string, string[]>();
  for (let at = 0; at < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    const before = values.get(name);
    if (before === undefined) values.set(name, [value]);
    else if (!single.has(name)) before.push(value);
  }
  const headers = [...values].filter(([name]) => !name.startsWith(':'));
  return Object.fromEntries(headers.map(([name, all]) => [name, name === 'set-cookie' ? all : all.join(', ')]));
}

function sizeOf(raw: readonly string[]): number {
  return raw.reduce((sum, text) => sum + text.length, 0);
}

/** Creates the error for headers that are too large, with the code that the parser of node:http uses. */
function headersTooLarge(): Error {
  return Object.assign(new Error('the headers are too large'), { code: 'HPE_HEADER_OVERFLOW' });
}

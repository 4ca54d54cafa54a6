import { once } from 'node:events';
import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createSecureServer, type Http2ServerRequest } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { serverInUse } from './protocols.ts';
import { recordPut, recordRead } from './manifest-order.ts';
import type { RequestWaves } from './request-waves.ts';

/**
 * A proxy in front of a registry. It records requests and applies the rules of a test, which answer requests, modify or
 * delay responses, or close connections. Requests without a rule are forwarded.
 */
export interface RecordedRequest {
  readonly method: string;
  /** Path with the query. */
  readonly path: string;
  /** Such as `1.1`. */
  readonly version: string;
  readonly headers: IncomingHttpHeaders;
  /** Number of received bytes of the request body. */
  received: number;
  /** Status of the response; 0 if none was sent. */
  status: number;
  /** Position in the sequence of round trips: one more than the number of responses that the request had to wait for. */
  readonly depth: number;
}

/** A request that a rule handles. */
export interface Exchange {
  readonly seen: RecordedRequest;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Forwards the request, and optionally modifies the response. */
  pass(change?: Change): Promise<void>;
  /** Reads the request body. The request can still be forwarded. */
  read(): Promise<Buffer>;
}

export interface Change {
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  /** Applied to each chunk of the response body. */
  readonly body?: (chunk: Buffer, offset: number) => Buffer;
  /** Close the connection after this number of bytes of the response body. */
  readonly cutAfter?: number;
  /** Delay of the response in milliseconds. */
  readonly waitMs?: number;
  /** Close the connection instead of sending the response. */
  readonly loseResponse?: boolean;
  /** Called with the status of the registry's response. */
  readonly onResponse?: (status: number) => void;
}

export type Rule = (exchange: Exchange) => Promise<void> | void;

interface ActiveRule {
  readonly pattern: RegExp;
  readonly rule: Rule;
  remaining: number;
}

export interface RecordingProxyOptions {
  /** URL of the registry. Without it, requests without a rule are answered with 404. */
  readonly upstream?: string | undefined;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string } | undefined;
  /** Offer HTTP/2 and HTTP/1.1, over TLS. Default: as `useHttp2` says. */
  readonly http2?: boolean | undefined;
  /** Delay of each response in milliseconds. Default: 0. */
  readonly delayMs?: number;
  /** Maximum size of request headers in bytes. */
  readonly maxHeaderSize?: number;
  /** Holds requests in waves; `depth` is then the number of the wave. */
  readonly waves?: RequestWaves | undefined;
}

export class RecordingProxy {
  readonly requests: RecordedRequest[] = [];
  readonly #server: Server;
  readonly #options: RecordingProxyOptions;
  readonly #rules: ActiveRule[] = [];
  readonly #sockets = new Set<TLSSocket>();
  /** The connections of HTTP/2 sessions. */
  readonly #sessions = new WeakMap<object, TLSSocket>();
  /** The number of TLS connections. */
  connections = 0;
  #depth = 0;
  #port = 0;

  private constructor(given: RecordingProxyOptions) {
    const options = { ...given, ...(given.tls === undefined ? serverInUse() : {}) };
    this.#options = options;
    const listener = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response);
    const { tls } = options;
    const limits = { requestTimeout: 0, keepAliveTimeout: 120_000 };
    if (tls === undefined) this.#server = createServer(limits, listener);
    else {
      const secure = { ...limits, ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: false };
      this.#server = options.http2 === true ? this.#createHttp2(secure, listener) : createTlsServer(secure, listener);
    }
    this.#server.on('secureConnection', (socket: TLSSocket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    options.waves?.watch(this.#server);
  }

  static async start(options: RecordingProxyOptions = {}): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.#port = (proxy.#server.address() as AddressInfo).port;
    return proxy;
  }

  /** Does not change after the server is closed, since requests may still refer to it. */
  get port(): number {
    return this.#port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${this.host}`;
  }

  /**
   * Applies a rule to matching requests, for example `/^GET .*blobs/`. The last added rule takes precedence.
   * @param times - number of requests to apply the rule to; default: unlimited
   */
  on(pattern: RegExp, rule: Rule, times = Number.POSITIVE_INFINITY): void {
    this.#rules.unshift({ pattern, rule, remaining: times });
  }

  /** The matching requests so far. */
  requestsMatching(pattern: RegExp): readonly RecordedRequest[] {
    return this.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`));
  }

  removeRules(): void {
    this.#rules.length = 0;
  }

  clear(): void {
    this.requests.length = 0;
    this.#depth = 0;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    if (this.#options.tls === undefined) this.#server.closeAllConnections();
    await closed;
  }

  /** Rules use `request.socket`, whose methods close the connection over both protocols. */
  #createHttp2(options: object, listener: (request: IncomingMessage, response: ServerResponse) => void): Server {
    let last: TLSSocket | undefined;
    const server = createSecureServer({ ...options, allowHTTP1: true }, (request, response) => {
      if (request.httpVersionMajor === 2) this.#adapt(request);
      listener(request as unknown as IncomingMessage, response as unknown as ServerResponse);
    });
    server.prependListener('secureConnection', (socket: TLSSocket) => (last = socket));
    server.on('session', (session) => last !== undefined && this.#sessions.set(session, last));
    server.on('sessionError', () => undefined);
    return server as unknown as Server;
  }

  #adapt(request: Http2ServerRequest): void {
    const { session } = request.stream;
    const socket = session && this.#sessions.get(session);
    request.stream.on('error', () => undefined);
    const close = { value: () => socket?.destroy() };
    // Bytes that are written to the connection of a session make Node abort.
    const guarded = socket && (Object.create(socket, { destroy: close, destroySoon: close, end: close }) as TLSSocket);
    Object.defineProperty(request, 'socket', { value: guarded });
    Object.defineProperty(request, 'headers', { value: ordinaryHeaders(request) });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const ended = new Promise<void>((resolve) => response.once('close', resolve));
    const wave = await this.#options.waves?.enter(request.socket, ended);
    const version = request.httpVersion;
    const seen: RecordedRequest = {
      method,
      path,
      version,
      headers,
      received: 0,
      status: 0,
      depth: wave ?? this.#depth + 1,
    };
    this.requests.push(seen);
    request.on('data', (chunk: Buffer) => (seen.received += chunk.length));
    request.pause();
    response.on('finish', () => {
      seen.status = response.statusCode;
      this.#depth = Math.max(this.#depth, seen.depth);
    });
    this.#record(request, response);
    const { upstream, delayMs = 0 } = this.#options;
    let body: Buffer | undefined;
    const read = async () => (body = await buffer(request));
    const pass = (change: Change = {}) => passOn(request, response, upstream, { ...change, sent: body, delayMs });
    const active = this.#rules.find(({ pattern, remaining }) => remaining > 0 && pattern.test(`${method} ${path}`));
    if (active !== undefined) active.remaining -= 1;
    try {
      await (active === undefined ? pass() : active.rule({ seen, request, response, pass, read }));
    } catch {
      response.destroy();
    }
  }

  #record(request: IncomingMessage, response: ServerResponse): void {
    const [, repository = '', name = ''] = /^\/v2\/(.+)\/manifests\/(.+)/.exec(request.url ?? '') ?? [];
    if (repository === '') return;
    if (request.method !== 'PUT') {
      response.on('finish', () => response.statusCode === 200 && recordRead(`${this.host}/${repository}`, name));
      return;
    }
    const chunks: Buffer[] = [];
    let stored: (() => void) | undefined;
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => (stored = recordPut(`${this.host}/${repository}`, Buffer.concat(chunks))));
    response.on('finish', () => response.statusCode < 300 && stored?.());
  }
}

/** The headers of a request as HTTP/1.1 has them. */
function ordinaryHeaders({ authority, headers }: Http2ServerRequest): IncomingHttpHeaders {
  const ordinary = Object.entries(headers).filter(([name]) => !name.startsWith(':'));
  return { ...Object.fromEntries(ordinary), host: authority };
}

/** HTTP/2 has no headers for the connection. */
function endToEnd(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const removed = ['connection', 'keep-alive', 'transfer-encoding'];
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !removed.includes(name)));
}

async function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: string | undefined,
  change: Change & { readonly sent: Buffer | undefined; readonly delayMs: number },
): Promise<void> {
  if (upstream === undefined) {
    request.resume();
    response.writeHead(404).end();
    return;
  }
  const { method } = request;
  // The embedded registry only accepts local host names.
  const isOwn = /^(?:127\.|localhost|\[::1\])/.test(request.headers.host ?? '');
  const host = isOwn ? {} : { host: new URL(upstream).host };
  // A registry behind a proxy with TLS states its upload locations with the scheme of the proxy.
  const scheme = (request.socket as Partial<TLSSocket>).encrypted === true ? { 'x-forwarded-proto': 'https' } : {};
  const headers = { ...request.headers, ...host, ...scheme };
  const onward = forward(new URL(request.url ?? '', upstream), { method, headers, agent: false });
  request.on('close', () => request.complete || onward.destroy());
  if (change.sent === undefined) request.pipe(onward);
  else onward.end(change.sent);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    onward.once('response', resolve);
    onward.on('error', reject);
  });
  change.onResponse?.(answer.statusCode ?? 0);
  // If the client disconnects early, the connection to the registry would keep the process alive.
  const gone = new Promise<void>((resolve) => (response.destroyed ? resolve() : response.once('close', resolve)));
  void gone.then(() => onward.destroy());
  const { waitMs = change.delayMs } = change;
  if (waitMs > 0) await sleep(waitMs);
  if (change.loseResponse === true) {
    answer.resume();
    answer.once('end', () => request.socket.destroy());
    return;
  }
  const answered = request.httpVersionMajor === 2 ? endToEnd(answer.headers) : answer.headers;
  response.writeHead(change.status ?? answer.statusCode ?? 502, { ...answered, ...change.headers });
  let offset = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const written = change.body?.(chunk, offset) ?? chunk;
    offset += chunk.length;
    const left = (change.cutAfter ?? Number.POSITIVE_INFINITY) - (offset - chunk.length);
    if (written.length > left) {
      response.write(written.subarray(0, left), () => request.socket.destroySoon());
      return;
    }
    if (!response.write(written)) await Promise.race([gone, once(response, 'drain')]);
  }
  response.end();
}

/** Answers a request without forwarding it. The request body is discarded. */
export function answer(status: number, headers: OutgoingHttpHeaders = {}, body: string | Uint8Array = ''): Rule {
  return ({ request, response }) => {
    request.resume();
    const sent = request.httpVersionMajor === 2 ? endToEnd(headers) : headers;
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...sent });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
}

/** Never answers. */
export const hang: Rule = ({ request }) => void request.resume();

/** Closes the connection without a response. */
export const reset: Rule = ({ request }) => void request.socket.destroy();

/** Closes the connection of an upload after the registry has received `length` bytes. */
export function cutUpload(length: number, upstream: string): Rule {
  return async ({ request }) => {
    const chunks: Buffer[] = [];
    let received = 0;
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      received += chunk.length;
      if (received >= length) break;
    }
    const location = (request.url ?? '').replace(/\?.*/, '');
    const body = Buffer.concat(chunks).subarray(0, length);
    await fetch(new URL(location, upstream), { method: 'PATCH', body });
    request.socket.destroy();
  };
}

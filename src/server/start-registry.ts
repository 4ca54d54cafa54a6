import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { errorCode, errorMessage, MlistError } from '../errors/errors.ts';
import { FolderRepositories } from './folder-repositories.ts';
import { Htpasswd } from './htpasswd.ts';
import { discardRest } from './limits/received-body.ts';
import { HEADER_BYTES, limitsOf, MAX_HEADERS, type Limits, type ServerLimits } from './limits/server-limits.ts';
import { RequestError, toRequestError } from './request-error.ts';
import { route } from './router.ts';
import { ConnectionQueue, RepositoryQueues, replyError, type Service } from './server-exchange.ts';
import type { Fault } from './faults/fault.ts';
import type { FaultInjector } from './faults/inject-faults.ts';
import type { TokenLogin, TokenLoginOptions } from './faults/token-login.ts';
import type { MemoryBudget } from './limits/memory-budget.ts';
import type { ProxyOptions, PullThrough } from './proxy/pull-through.ts';
import type { Repositories, Repository } from './storage.ts';
import { UploadSessions } from './upload-sessions.ts';
import { MemoryStore } from '../store/memory.ts';
import { isLoopback } from '../store/hosts.ts';
import { getOrCreate } from '../async/single-flight.ts';

/** Options of the embedded registry. */
export interface ServerOptions {
  /** `HOST:PORT`; port 0 selects a free port. Default `127.0.0.1:0`. */
  readonly address?: string | undefined;
  /** A folder with an OCI layout for each repository. Default: content is stored in memory only. */
  readonly dir?: string | undefined;
  /** Refuse all requests that change content. Default false. */
  readonly readOnly?: boolean | undefined;
  /** Certificate and key for HTTPS, in PEM format. Default: HTTP. */
  readonly tls?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array } | undefined;
  /** Path of an htpasswd file. Default: no authentication. */
  readonly htpasswd?: string | undefined;
  /** Caches content of other registries. Default: none. */
  readonly proxy?: ProxyOptions | undefined;
  /** Limits for memory, uploads and slow clients. */
  readonly limits?: ServerLimits | undefined;
  /**
   * Requires tokens that the registry issues at `/token`, to users of `htpasswd` or without it to everybody, as registries
   * with Bearer authentication do. Default: false, users log in with Basic.
   */
  readonly tokenLogin?: boolean | TokenLoginOptions | undefined;
  /** Faults for tests of clients. Default: none. */
  readonly faults?: readonly Fault[] | undefined;
  /** Answers requests itself, for faults that `faults` does not have: returns true if it did. */
  readonly intercept?: Interceptor | undefined;
  /** Closes the registry. */
  readonly signal?: AbortSignal | undefined;
  /** Called for every request when its response was sent or its client has disconnected. */
  readonly onRequest?: ((event: ServedRequest) => void) | undefined;
}

/** @returns whether it has answered the request, or destroyed the connection */
export type Interceptor = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/** A request to the embedded registry, with its response. */
export interface ServedRequest {
  readonly type: 'request';
  readonly method: string;
  /** Path of the request with its query. */
  readonly path: string;
  /** HTTP status; 0 if no response was sent. */
  readonly status: number;
  /** Whether the client disconnected before the end of the response. */
  readonly aborted: boolean;
  readonly milliseconds: number;
  /** The internal error that caused status 500 or 507. */
  readonly fault?: unknown;
}

export interface RunningRegistry {
  /** `http://127.0.0.1:5000`, without a slash at the end. */
  readonly url: string;
  /** `127.0.0.1:5000`, for references. */
  readonly host: string;
  /** Closes all connections, removes unfinished uploads and releases the port. */
  close(): Promise<void>;
}

/** Connections are closed after this time without data. */
const IDLE_MS = 120_000;

/**
 * Starts a registry (distribution-spec v1.1.1) and waits until it listens.
 * @throws MlistError if the address, the folder or the htpasswd file cannot be used
 */
export async function startRegistry(options: ServerOptions = {}): Promise<RunningRegistry> {
  options.signal?.throwIfAborted();
  const { host, port } = parseAddress(options.address ?? '127.0.0.1:0');
  const readOnly = options.readOnly ?? false;
  const users = options.htpasswd === undefined ? undefined : await Htpasswd.load(options.htpasswd, options.signal);
  const limits = limitsOf(options.limits, options.dir === undefined);
  const repositories =
    options.dir === undefined
      ? new MemoryRepositories(limits.memory)
      : await FolderRepositories.inFolder(options.dir, { create: !readOnly || options.proxy !== undefined });
  const running = new Set<Promise<void>>();
  const queue = new ConnectionQueue();
  const server = createServer(options.tls, (request, response) => {
    const handle = () => handleRequest(context, request, response);
    const work = queue.run(request.socket, handle).finally(() => running.delete(work));
    running.add(work);
  });
  const service = {
    repositories,
    uploads: new UploadSessions(limits),
    changes: new RepositoryQueues(),
    readOnly,
    limits,
  };
  const { intercept, onRequest } = options;
  const proxy = options.proxy && (await startProxy(service, options.proxy));
  const tests = await loadTestSwitches(options, limits, users);
  const context = { service, users, proxy, ...tests, onLoopback: isLoopback(host), intercept, onRequest };
  const close = closer(server, async () => {
    options.signal?.removeEventListener('abort', onAbort);
    // First, because requests that wait for a password check would delay the shutdown.
    await users?.close();
    await proxy?.close();
    await Promise.all(running);
    await service.uploads.close();
  });
  const onAbort = (): void => void close();
  try {
    await listen(server, host, port);
    options.signal?.throwIfAborted();
  } catch (error) {
    await close();
    throw error;
  }
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const name = `${displayHost(host)}:${(server.address() as AddressInfo).port}`;
  return { url: `${options.tls === undefined ? 'http' : 'https'}://${name}`, host: name, close };
}

/** The code of the proxy is loaded only if there is one. */
async function startProxy(service: Service, options: ProxyOptions): Promise<PullThrough> {
  const { PullThrough: Proxy } = await import('./proxy/pull-through.ts');
  return Proxy.start(service, options);
}

interface TestSwitches {
  readonly faults: FaultInjector | undefined;
  readonly tokens: TokenLogin | undefined;
}

/** What only tests use is loaded only if they do. */
async function loadTestSwitches(
  { faults, tokenLogin = false, tls }: ServerOptions,
  limits: Limits,
  users: Htpasswd | undefined,
): Promise<TestSwitches> {
  const checkLogin = users && ((authorization?: string) => users.check(authorization));
  const parts = { checkLogin, limits, scheme: tls === undefined ? 'http' : 'https' } as const;
  return {
    faults: faults && new (await import('./faults/inject-faults.ts')).FaultInjector(faults),
    tokens:
      tokenLogin === false
        ? undefined
        : new (await import('./faults/token-login.ts')).TokenLogin(tokenLogin === true ? {} : tokenLogin, parts),
  };
}

/** The host for URLs: `localhost` for a registry that listens on all addresses. */
function displayHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

interface ServerContext extends TestSwitches {
  readonly service: Service;
  readonly users: Htpasswd | undefined;
  readonly proxy: PullThrough | undefined;
  readonly onLoopback: boolean;
  readonly intercept: Interceptor | undefined;
  readonly onRequest: ServerOptions['onRequest'];
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function createServer(tls: ServerOptions['tls'], listener: Listener): Server {
  const server =
    tls === undefined ? createHttpServer({ maxHeaderSize: HEADER_BYTES }, listener) : createTlsServer(tls, listener);
  // The duration of an upload is not limited while data arrives.
  server.requestTimeout = 0;
  server.timeout = IDLE_MS;
  // Node would ignore further headers: `dispatch` refuses the request instead.
  server.maxHeadersCount = 0;
  server.keepAliveTimeout = IDLE_MS;
  return server;
}

function createTlsServer({ cert, key }: NonNullable<ServerOptions['tls']>, listener: Listener): Server {
  try {
    const options = { cert: Buffer.from(cert), key: Buffer.from(key), maxHeaderSize: HEADER_BYTES };
    return createHttpsServer(options, listener);
  } catch (cause) {
    const message = `the certificate or its key cannot be used: ${errorMessage(cause)}`;
    throw new MlistError('ERR_MLIST_USAGE', message, { cause });
  }
}

/** Handles a request; never rejects. */
async function handleRequest(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const started = performance.now();
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  response.on('error', () => undefined);
  response.setHeader('docker-distribution-api-version', 'registry/2.0');
  const fault = await dispatch(context, request, response).catch((error: unknown) => {
    const requestError = toRequestError(error);
    if (response.headersSent) response.destroy();
    else replyError({ request, response }, requestError);
    return isFault(requestError) && !isDisconnect(error) ? error : undefined;
  });
  discardRest(request);
  await closed;
  context.onRequest?.({
    type: 'request',
    method: request.method ?? '',
    path: request.url ?? '',
    status: response.headersSent ? response.statusCode : 0,
    aborted: !response.writableFinished,
    milliseconds: performance.now() - started,
    ...(fault === undefined ? {} : { fault }),
  });
}

/** Whether the response reports an internal error. */
function isFault({ status }: RequestError): boolean {
  return status === 500 || status === 507;
}

/** Whether the client disconnected during its request or the response. */
function isDisconnect(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(errorCode(error) ?? '');
}

async function dispatch(context: ServerContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', headers } = request;
  if (request.rawHeaders.length / 2 > MAX_HEADERS)
    throw new RequestError(431, { code: 'UNSUPPORTED', message: `more than ${MAX_HEADERS} headers` });
  checkHost(headers.host, context.onLoopback);
  if ((await context.intercept?.(request, response)) === true) return;
  if ((await context.faults?.apply(request, response)) === true) return;
  const [path = '', ...rest] = (request.url ?? '').split('?');
  const query = new URLSearchParams(rest.join('?'));
  if (!path.startsWith('/'))
    throw new RequestError(400, { code: 'UNSUPPORTED', message: 'the request target is not a path' });
  if (context.tokens === undefined) await context.users?.check(headers.authorization);
  else if (await context.tokens.issue({ request, response, query }, path)) return;
  const { handler, name, lastSegment } = route(method, path, context.service.readOnly);
  const exchange = { request, response, name, lastSegment, query };
  context.tokens?.check(exchange);
  await handler({ ...exchange, service: context.proxy?.serviceFor(exchange) ?? context.service });
}

/** Returns a function that closes the server and then runs `after`, once. */
function closer(server: Server, after: () => Promise<void>): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }).then(after);
    return closed;
  };
}

const listenErrors: Readonly<Record<string, { readonly reason: string; readonly hint: string }>> = {
  EADDRINUSE: { reason: 'the address is in use', hint: 'Use port 0 for a free port.' },
  EADDRNOTAVAIL: { reason: 'this machine has no such address', hint: 'Use 127.0.0.1 or an address of this machine.' },
  EACCES: { reason: 'permission denied', hint: 'Choose a port above 1023.' },
  ENOTFOUND: { reason: 'unknown host', hint: 'Use 127.0.0.1 or an address of this machine.' },
};

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (cause) {
    const code = errorCode(cause) ?? 'unknown';
    const { reason, hint } = listenErrors[code] ?? { reason: errorMessage(cause), hint: undefined };
    throw new MlistError('ERR_MLIST_NETWORK', `cannot listen on ${host}:${port}: ${reason} (${code})`, {
      cause,
      hint,
    });
  }
}

function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(address) ?? [];
  const [host, port] = [bracketed ?? plain, Number(digits)];
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new MlistError('ERR_MLIST_USAGE', `invalid address ${JSON.stringify(address)}`, {
    hint: 'An address is HOST:PORT, such as 127.0.0.1:5000 or [::1]:0.',
  });
}

const hostGrammar = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/**
 * Checks the Host header. A registry that listens on loopback accepts only loopback names, so that a web page whose host
 * name resolves to 127.0.0.1 cannot access it (DNS rebinding).
 * @throws RequestError 400 for an invalid host, 421 for other names
 */
export function checkHost(host: string | undefined, listensOnLoopback: boolean): void {
  if (host === undefined || !hostGrammar.test(host)) {
    throw new RequestError(400, { code: 'DENIED', message: 'invalid Host header' });
  }
  if (!listensOnLoopback || isLoopback(host.replace(/:\d+$/, ''))) return;
  throw new RequestError(421, { code: 'DENIED', message: 'this registry accepts loopback names only' });
}

/** Counted for each repository in memory. */
const REPOSITORY_BYTES = 2048;

class MemoryRepositories implements Repositories {
  readonly #repositories = new Map<string, Repository>();
  readonly #memory: MemoryBudget;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  find(name: string): Promise<Repository | undefined> {
    return Promise.resolve(this.#repositories.get(name));
  }

  async open(name: string): Promise<Repository> {
    await Promise.resolve();
    return getOrCreate(this.#repositories, name, () => {
      this.#memory.reserve(REPOSITORY_BYTES);
      return new MemoryStore(name, this.#memory);
    });
  }

  async *all(): AsyncGenerator<Repository> {
    yield* await Promise.resolve([...this.#repositories.values()]);
  }
}

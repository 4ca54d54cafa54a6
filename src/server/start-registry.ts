import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { errorCode, errorMessage, MlistError } from '../errors/errors.ts';
import { FolderRepositories } from './folder-repositories.ts';
import { Htpasswd } from './htpasswd.ts';
import { RequestError, toRequestError } from './request-error.ts';
import { isPagePath, route } from './router.ts';
import { RepositoryQueues, replyError, type Service } from './server-exchange.ts';
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
  /** Answers requests itself, to inject faults in tests: returns true if it did. */
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
  const repositories =
    options.dir === undefined
      ? new MemoryRepositories()
      : await FolderRepositories.inFolder(options.dir, { create: !readOnly });
  const running = new Set<Promise<void>>();
  const server = createServer(options.tls, (request, response) => {
    const work = handleRequest(context, request, response).finally(() => running.delete(work));
    running.add(work);
  });
  const service = { repositories, uploads: new UploadSessions(), changes: new RepositoryQueues(), readOnly };
  const { intercept, onRequest } = options;
  const context = { service, users, onLoopback: isLoopback(host), intercept, onRequest };
  const close = closer(server, async () => {
    options.signal?.removeEventListener('abort', onAbort);
    // First, because requests that wait for a password check would delay the shutdown.
    await users?.close();
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

/** The host for URLs: `localhost` for a registry that listens on all addresses. */
function displayHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

interface ServerContext {
  readonly service: Service;
  readonly users: Htpasswd | undefined;
  readonly onLoopback: boolean;
  readonly intercept: Interceptor | undefined;
  readonly onRequest: ServerOptions['onRequest'];
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function createServer(tls: ServerOptions['tls'], listener: Listener): Server {
  const server = tls === undefined ? createHttpServer(listener) : createTlsServer(tls, listener);
  // The duration of an upload is not limited while data arrives.
  server.requestTimeout = 0;
  server.timeout = IDLE_MS;
  server.keepAliveTimeout = IDLE_MS;
  return server;
}

function createTlsServer({ cert, key }: NonNullable<ServerOptions['tls']>, listener: Listener): Server {
  try {
    return createHttpsServer({ cert: Buffer.from(cert), key: Buffer.from(key) }, listener);
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
  response.setHeader('x-content-type-options', 'nosniff');
  const fault = await dispatch(context, request, response).catch(async (error: unknown) => {
    const requestError = toRequestError(error);
    if (response.headersSent) response.destroy();
    else if (isPagePath(request.url))
      (await import('./page/page-reply.ts')).replyErrorPage({ request, response }, requestError);
    else replyError({ request, response }, requestError);
    return isFault(requestError) && !isDisconnect(error) ? error : undefined;
  });
  // Discards the rest of the request body, so that the connection can be used for the next request.
  request.resume();
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
  const { method = '', url = '', headers } = request;
  checkHost(headers.host, context.onLoopback);
  if ((await context.intercept?.(request, response)) === true) return;
  const [path = '', ...query] = url.split('?');
  if (!path.startsWith('/'))
    throw new RequestError(400, { code: 'UNSUPPORTED', message: 'the request target is not a path' });
  await context.users?.check(headers.authorization);
  const { handler, name, lastSegment } = route(method, path, context.service.readOnly);
  const exchange = { request, response, service: context.service, name, lastSegment };
  await handler({ ...exchange, query: new URLSearchParams(query.join('?')) });
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

class MemoryRepositories implements Repositories {
  readonly #repositories = new Map<string, Repository>();

  find(name: string): Promise<Repository | undefined> {
    return Promise.resolve(this.#repositories.get(name));
  }

  open(name: string): Promise<Repository> {
    return Promise.resolve(getOrCreate(this.#repositories, name, () => new MemoryStore(name)));
  }

  async *all(): AsyncGenerator<Repository> {
    yield* await Promise.resolve([...this.#repositories.values()]);
  }

  names(): Promise<readonly string[]> {
    return Promise.resolve([...this.#repositories.keys()]);
  }
}

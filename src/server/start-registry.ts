import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, isIPv4 } from 'node:net';
import { errorCode, errorMessage, MlistError } from '../errors/errors.ts';
import { FolderRepositories } from './folder-repositories.ts';
import { Htpasswd } from './htpasswd.ts';
import { RequestError, toRequestError } from './request-error.ts';
import { route } from './router.ts';
import { RepositoryQueues, replyError, type Service } from './server-exchange.ts';
import type { Repositories, Repository } from './storage.ts';
import { UploadSessions } from './upload-sessions.ts';
import { MemoryStore } from '../store/memory.ts';

/** How the embedded registry serves. Everything has a default. */
export interface ServerOptions {
  /** `HOST:PORT`; port 0 picks a free one. Default `127.0.0.1:0`. */
  readonly address?: string | undefined;
  /** A folder with an OCI layout for each repository. Default: memory, and nothing is kept. */
  readonly dir?: string | undefined;
  /** Refuse everything that changes content. Default false. */
  readonly readOnly?: boolean | undefined;
  /** A certificate and its key, PEM. Default: http. */
  readonly tls?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array } | undefined;
  /** A file of users and password hashes. Default: everybody may do everything. */
  readonly htpasswd?: string | undefined;
  /** Answers requests itself, to inject faults in tests: returns true if it did. */
  readonly intercept?: Interceptor | undefined;
  /** Closes the registry. */
  readonly signal?: AbortSignal | undefined;
  /** Told of every request once it is answered, or its client is gone. */
  readonly onRequest?: ((event: ServedRequest) => void) | undefined;
}

/** @returns whether it has answered the request, or destroyed the connection */
export type Interceptor = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/** One request to the embedded registry, and its response. */
export interface ServedRequest {
  readonly type: 'request';
  readonly method: string;
  /** As it came, with the query. */
  readonly path: string;
  /** 0 where there was no answer. */
  readonly status: number;
  /** The client left before it had the whole answer. */
  readonly aborted: boolean;
  readonly milliseconds: number;
  /** The error inside the registry that led to status 500 or 507. */
  readonly fault?: unknown;
}

export interface RunningRegistry {
  /** `http://127.0.0.1:5000`, without a slash at the end. */
  readonly url: string;
  /** `127.0.0.1:5000`: what stands in references. */
  readonly host: string;
  /** Cuts what is under way, removes unfinished uploads and frees the port. */
  close(): Promise<void>;
}

/** A connection on which nothing moves for this long is cut. */
const IDLE_MS = 120_000;

/**
 * Starts a registry (distribution-spec v1.1.1) and waits until it listens.
 * @throws MlistError where the address, the folder or the password file cannot be used
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
    const work = answer(front, request, response).finally(() => running.delete(work));
    running.add(work);
  });
  const service = { repositories, uploads: new UploadSessions(), changes: new RepositoryQueues(), readOnly };
  const { intercept, onRequest } = options;
  const front = { service, users, onLoopback: isLoopback(host), intercept, onRequest };
  const close = closing(server, async () => {
    options.signal?.removeEventListener('abort', onAbort);
    // First: requests that wait for a password check would delay the end.
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
  const name = `${nameOf(host)}:${(server.address() as AddressInfo).port}`;
  return { url: `${options.tls === undefined ? 'http' : 'https'}://${name}`, host: name, close };
}

/** What to call the address by: a registry that listens everywhere is on this machine too. */
function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

interface Front {
  readonly service: Service;
  readonly users: Htpasswd | undefined;
  readonly onLoopback: boolean;
  readonly intercept: Interceptor | undefined;
  readonly onRequest: ServerOptions['onRequest'];
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function createServer(tls: ServerOptions['tls'], listener: Listener): Server {
  const server = tls === undefined ? createHttpServer(listener) : createTlsServer(tls, listener);
  // An upload may take longer than any fixed time, as long as it moves.
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

/** Answers one request; never rejects. */
async function answer(front: Front, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const started = performance.now();
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  response.on('error', () => undefined);
  response.setHeader('docker-distribution-api-version', 'registry/2.0');
  const fault = await handle(front, request, response).catch((error: unknown) => {
    const refusal = toRequestError(error);
    if (response.headersSent) response.destroy();
    else replyError({ request, response }, refusal);
    return isFault(refusal) && !isDeparture(error) ? error : undefined;
  });
  // What is left of a body that nobody wanted must come off the connection before the next request can.
  request.resume();
  await closed;
  front.onRequest?.({
    type: 'request',
    method: request.method ?? '',
    path: request.url ?? '',
    status: response.headersSent ? response.statusCode : 0,
    aborted: !response.writableFinished,
    milliseconds: performance.now() - started,
    ...(fault === undefined ? {} : { fault }),
  });
}

/** Whether the registry itself failed, rather than refused the request or was busy. */
function isFault({ status }: RequestError): boolean {
  return status === 500 || status === 507;
}

/** The client went away in the middle of its request or of the answer. */
function isDeparture(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(errorCode(error) ?? '');
}

async function handle(front: Front, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '', headers } = request;
  checkHost(headers.host, front.onLoopback);
  if ((await front.intercept?.(request, response)) === true) return;
  const [path = '', ...query] = url.split('?');
  if (!path.startsWith('/')) throw new RequestError(400, { code: 'UNSUPPORTED', message: 'the target is no path' });
  await front.users?.check(headers.authorization);
  const { handler, name, last } = route(method, path, front.service.readOnly);
  const exchange = { request, response, service: front.service, name, last };
  await handler({ ...exchange, query: new URLSearchParams(query.join('?')) });
}

function closing(server: Server, after: () => Promise<void>): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }).then(after);
    return closed;
  };
}

const refusals: Readonly<Record<string, { readonly reason: string; readonly hint: string }>> = {
  EADDRINUSE: { reason: 'something listens there already', hint: 'Port 0 picks a free port.' },
  EADDRNOTAVAIL: { reason: 'this machine has no such address', hint: 'Take 127.0.0.1, or one that this machine has.' },
  EACCES: { reason: 'permission denied', hint: 'Choose a port above 1023.' },
  ENOTFOUND: { reason: 'there is no such host', hint: 'Take 127.0.0.1, or an address that this machine has.' },
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
    const { reason, hint } = refusals[code] ?? { reason: errorMessage(cause), hint: undefined };
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
  throw new MlistError('ERR_MLIST_USAGE', `${JSON.stringify(address)} is no address`, {
    hint: 'An address is HOST:PORT, such as 127.0.0.1:5000 or [::1]:0.',
  });
}

const grammar = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** `localhost`, a name below it, or a literal of 127.0.0.0/8 or ::1; never by DNS. */
function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return isIPv4(name) && name.startsWith('127.');
}

/**
 * A registry that listens on loopback only answers to loopback names only: a page in a browser whose own name leads to
 * 127.0.0.1 must not read or write it (DNS rebinding).
 * @throws Refusal 400 for what is no host, 421 for a stranger's name
 */
export function checkHost(host: string | undefined, listensOnLoopback: boolean): void {
  if (host === undefined || !grammar.test(host)) {
    throw new RequestError(400, { code: 'DENIED', message: 'the Host header is no host' });
  }
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (!listensOnLoopback || isLoopback(name)) return;
  throw new RequestError(421, { code: 'DENIED', message: 'this registry answers to loopback names only' });
}

/** Repositories that last as long as the process. */
class MemoryRepositories implements Repositories {
  readonly #repositories = new Map<string, Repository>();

  find(name: string): Promise<Repository | undefined> {
    return Promise.resolve(this.#repositories.get(name));
  }

  open(name: string): Promise<Repository> {
    const repository = this.#repositories.get(name) ?? new MemoryStore(name);
    this.#repositories.set(name, repository);
    return Promise.resolve(repository);
  }

  async *all(): AsyncGenerator<Repository> {
    yield* await Promise.resolve([...this.#repositories.values()]);
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorCode, MlistError } from '../errors/errors.ts';
import { Access, everybody, nobody } from './auth/access.ts';
import { checkHost, checkOrigin } from './auth/origin.ts';
import { closeAfter, closer } from './drain.ts';
import { FolderRepositories } from './folder-repositories.ts';
import { PeriodicCollection, type CollectionOptions } from './garbage/periodic-collection.ts';
import { Htpasswd } from './auth/htpasswd.ts';
import { Metrics } from './log/metrics.ts';
import { RequestRecord } from './log/request-record.ts';
import { createServer, displayHost, listen, parseAddress } from './http-server.ts';
import { discardRest } from './limits/received-body.ts';
import { OpenConnections } from './limits/open-connections.ts';
import { limitsOf, MAX_HEADERS, type ServerLimits } from './limits/server-limits.ts';
import { isFault, RequestError, toRequestError } from './request-error.ts';
import { HEALTH_PATH, isPagePath, route } from './routes/router.ts';
import { RepositoryGates } from './repository-gates.ts';
import { ConnectionQueue, replyError, type Service } from './server-exchange.ts';
import { loadTestSwitches, type TestSwitches } from './faults/test-switches.ts';
import type { Fault } from './faults/fault.ts';
import type { TokenLoginOptions } from './faults/token-login.ts';
import { MemoryRepositories } from './memory-repositories.ts';
import type { ProxyOptions, PullThrough } from './proxy/pull-through.ts';
import { UploadSessions } from './upload-sessions.ts';
import { isLoopback } from '../store/hosts.ts';

/** Options of the embedded registry. */
export interface ServerOptions {
  /** The address to listen on: `HOST:PORT`. Port 0 selects a free port. Default `127.0.0.1:0`. */
  readonly address?: string | undefined;
  /** A folder with an OCI layout for each repository. Default: content is stored in memory only. */
  readonly dir?: string | undefined;
  /** Refuse all requests that would change content. Default false. */
  readonly readOnly?: boolean | undefined;
  /** Collect garbage in `dir` while the registry runs. Default: no garbage collection. */
  readonly gc?: CollectionOptions | undefined;
  /** Certificate and key for HTTPS, in PEM format. Default: HTTP. */
  readonly tls?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array } | undefined;
  /**
   * Path of an htpasswd file. Its lines may also state the rights of users (`USER:HASH:RIGHTS`). Default: no
   * authentication.
   */
  readonly htpasswd?: string | undefined;
  /** Allow pulls without a login. Requires `htpasswd`. Default false. */
  readonly anonymousPull?: boolean | undefined;
  /** Accept manifests whose children, config or layers are not in the repository. Default false. */
  readonly allowSparse?: boolean | undefined;
  /**
   * Maximum time, in milliseconds, for which requests and uploads in progress may continue after `close` was called.
   * New connections are refused at once. Default 0.
   */
  readonly drain?: number | undefined;
  /** Serve and cache the content of other registries (pull-through cache). Default: no cache. */
  readonly proxy?: ProxyOptions | undefined;
  /** Limits for memory, connections, uploads and slow clients. */
  readonly limits?: ServerLimits | undefined;
  /**
   * For testing clients: require bearer tokens, which clients get from `/token`. With `htpasswd`, a client must log in
   * to get a token; with `anonymousPull` in `TokenLoginOptions`, tokens for pulls need no login. Rights in the htpasswd
   * file are ignored. Without `htpasswd`, every client gets a token. Default false.
   */
  readonly tokenLogin?: boolean | TokenLoginOptions | undefined;
  /** Faults to inject, for testing clients. Default: none. */
  readonly faults?: readonly Fault[] | undefined;
  /**
   * Called for each request before the registry processes it. The function can answer the request itself, to inject
   * faults that `faults` does not support.
   */
  readonly intercept?: Interceptor | undefined;
  /** Aborting this signal closes the registry. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called at startup for each repository of `dir` whose journal cannot be merged. If the journal is damaged, requests
   * to the repository fail.
   */
  readonly onDamaged?: ((error: unknown) => void) | undefined;
  /** Called at startup with a problem that does not prevent the start, such as an `htpasswd` file without users. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called for every request after its response was sent or its connection was closed. */
  readonly onRequest?: ((event: ServedRequest) => void) | undefined;
}

/** Returns true if it has answered the request or destroyed the connection. Otherwise, the registry answers. */
export type Interceptor = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/** A request to the embedded registry and its outcome. */
export interface ServedRequest {
  readonly type: 'request';
  readonly method: string;
  /** Path of the request with its query. */
  readonly path: string;
  /** IP address of the client. */
  readonly client: string;
  /** The authenticated user; undefined if the client has not logged in, and for all requests with `tokenLogin`. */
  readonly user?: string | undefined;
  /** HTTP status; 0 if no response was sent. */
  readonly status: number;
  /** Whether the connection was closed before the end of the response. */
  readonly aborted: boolean;
  readonly milliseconds: number;
  /** Bytes of the response body that were sent. */
  readonly bytes: number;
  /** Bytes of the request body that were read. */
  readonly received: number;
  /** The internal error that caused status 500, 503 or 507. */
  readonly fault?: unknown;
}

export interface RunningRegistry {
  /** The URL of the registry, such as `http://127.0.0.1:5000`, without a slash at the end. */
  readonly url: string;
  /** The host for references, such as `127.0.0.1:5000`. */
  readonly host: string;
  /**
   * Stops listening, waits up to `drain` milliseconds for requests and uploads in progress, and then closes all
   * connections and discards unfinished uploads.
   */
  close(): Promise<void>;
}

/**
 * Starts a registry (distribution-spec v1.1.1), and waits until it is listening.
 * @throws MlistError if an option is invalid, or if the address, the folder, the certificate or the htpasswd file
 *   cannot be used
 * @throws the abort reason if `signal` is aborted
 */
export async function startRegistry(options: ServerOptions = {}): Promise<RunningRegistry> {
  options.signal?.throwIfAborted();
  const { host, port } = parseAddress(options.address ?? '127.0.0.1:0');
  const users = await loadUsers(options);
  const limits = limitsOf(options.limits, options.dir === undefined);
  const { gc } = options;
  const folder = await openFolder(options);
  const repositories = folder ?? new MemoryRepositories(limits.memory);
  const running = new Set<Promise<void>>();
  const queue = new ConnectionQueue();
  const connections = new OpenConnections(limits.maxConnections);
  const server = createServer(options.tls, connections, (request, response) => {
    const handle = () => handleRequest(context, request, response);
    const work = queue.run(request.socket, handle).finally(() => running.delete(work));
    running.add(work);
  });
  const service = createService(options, { repositories, users, limits, running, connections });
  const collection = folder && gc && new PeriodicCollection(folder, service.changes, gc);
  const { intercept, onRequest } = options;
  const proxy = options.proxy && (await startProxy(service, options.proxy));
  const tests = await loadTestSwitches(options, limits, users);
  const context = { service, proxy, ...tests, onLoopback: isLoopback(host), intercept, onRequest };
  const close = closer(server, service, options.drain ?? 0, async () => {
    options.signal?.removeEventListener('abort', onAbort);
    // This rejects pending password checks. Otherwise, the requests that wait for them would delay the shutdown.
    await users?.close();
    await proxy?.close();
    await Promise.all(running);
    await service.uploads.close();
    await collection?.close();
    await repositories.close();
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
  collection?.start();
  const name = `${displayHost(host)}:${(server.address() as AddressInfo).port}`;
  return { url: `${options.tls === undefined ? 'http' : 'https'}://${name}`, host: name, close };
}

async function loadUsers(options: ServerOptions): Promise<Htpasswd | undefined> {
  const { htpasswd, anonymousPull, signal, onWarning } = options;
  if (htpasswd !== undefined) {
    const users = await Htpasswd.load(htpasswd, signal);
    if (users.isEmpty) onWarning?.(`nobody can log in: ${htpasswd} has no users`);
    return users;
  }
  if (anonymousPull !== true) return undefined;
  const message = 'anonymous pulls require an htpasswd file: without one, everybody may pull and push';
  throw new MlistError('ERR_MLIST_USAGE', message);
}

interface ServiceParts extends Pick<Service, 'repositories' | 'limits' | 'running' | 'connections'> {
  readonly users: Htpasswd | undefined;
}

function createService(
  { readOnly = false, allowSparse = false, anonymousPull = false, tls }: ServerOptions,
  { users, ...parts }: ServiceParts,
): Service {
  return {
    ...parts,
    uploads: new UploadSessions(parts.limits),
    changes: new RepositoryGates(),
    readOnly,
    allowSparse,
    access: new Access({ users, anonymousPull, isTls: tls !== undefined }),
    metrics: new Metrics(),
    isDraining: false,
  };
}

/** Starts the pull-through cache. Its code is loaded only if it is used. */
async function startProxy(service: Service, options: ProxyOptions): Promise<PullThrough> {
  const { PullThrough: Proxy } = await import('./proxy/pull-through.ts');
  return Proxy.start(service, options);
}

/**
 * Opens the folder of the registry, or returns undefined if content is stored in memory. `holdMs` is at most a quarter
 * of the grace time: with a longer time, garbage collection could remove a blob that is in use.
 */
async function openFolder({
  dir,
  readOnly,
  proxy,
  gc,
  onDamaged,
}: ServerOptions): Promise<FolderRepositories | undefined> {
  if (dir === undefined) return undefined;
  const holdMs = gc?.grace === undefined ? undefined : Math.min(30_000, gc.grace / 4);
  return FolderRepositories.inFolder(dir, { create: readOnly !== true || proxy !== undefined, holdMs, onDamaged });
}

interface ServerContext extends TestSwitches {
  readonly service: Service;
  readonly proxy: PullThrough | undefined;
  readonly onLoopback: boolean;
  readonly intercept: Interceptor | undefined;
  readonly onRequest: ServerOptions['onRequest'];
}

/** Handles a request. An error is sent as a response or, if the response has already begun, closes the connection. */
async function handleRequest(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const record = new RequestRecord(request, response);
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  response.on('error', () => undefined);
  response.setHeader('docker-distribution-api-version', 'registry/2.0');
  response.setHeader('x-content-type-options', 'nosniff');
  // Without this header, pages of other sites could find out which content exists, for example with an `<img>` element.
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  if (context.service.isDraining) closeAfter(request, response);
  const fault = await dispatch(context, request, response, record).catch(async (error: unknown) => {
    const requestError = toRequestError(error);
    if (response.headersSent) response.destroy();
    else if (isPagePath(request.url))
      (await import('./page/page-reply.ts')).replyErrorPage({ request, response }, requestError);
    else replyError({ request, response }, requestError);
    return isFault(requestError, error) && !isDisconnect(error) ? error : undefined;
  });
  discardRest(request);
  await closed;
  context.service.metrics.add(record);
  context.onRequest?.({
    type: 'request',
    method: record.method,
    path: record.path,
    client: record.client,
    ...(record.user === undefined ? {} : { user: record.user }),
    status: record.status,
    aborted: record.isAborted,
    milliseconds: record.milliseconds,
    bytes: record.sent,
    received: record.received,
    ...(fault === undefined ? {} : { fault }),
  });
}

/** Whether an error means that the client has disconnected. */
function isDisconnect(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(errorCode(error) ?? '');
}

async function dispatch(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
  record: RequestRecord,
): Promise<void> {
  const { service, proxy, faults, tokens, onLoopback, intercept } = context;
  const { method = '' } = request;
  if (request.rawHeaders.length / 2 > MAX_HEADERS)
    throw new RequestError(431, { code: 'UNSUPPORTED', message: `the request has more than ${MAX_HEADERS} headers` });
  checkHost(request, onLoopback);
  checkOrigin(request, proxy !== undefined);
  if ((await intercept?.(request, response)) === true) return;
  if ((await faults?.apply(request, response)) === true) return;
  const [path = '', ...rest] = (request.url ?? '').split('?');
  const query = new URLSearchParams(rest.join('?'));
  if (!path.startsWith('/'))
    throw new RequestError(400, { code: 'UNSUPPORTED', message: 'the request target is not a path' });
  if ((await tokens?.issue({ request, response, query }, path)) === true) return;
  const isOpen = HEALTH_PATH.test(path);
  const caller = isOpen ? nobody : tokens === undefined ? await service.access.identify(request) : everybody;
  record.user = caller.user;
  const { endpoint, action, handler, name, lastSegment } = route(method, path, service.readOnly);
  record.endpoint = endpoint;
  if (!isOpen) tokens?.check({ request, name, query });
  if (name !== '') service.access.checkRight(request, caller, action, proxy?.storedName(name, query, action) ?? name);
  const exchange = { request, response, caller, record, name, lastSegment, query };
  await handler({ ...exchange, service: proxy?.serviceFor(exchange) ?? service });
}

import { isRepositoryName } from '../../oci/reference.ts';
import { TOKEN_PATH } from '../auth/login-challenge.ts';
import type { Action } from '../auth/rights.ts';
import { TOKEN_SECONDS } from '../auth/tokens.ts';
import { deleteBlob, getBlob } from './blob-routes.ts';
import { deleteRepository, listCatalog } from './catalog-routes.ts';
import type { Endpoint } from '../log/request-record.ts';
import { deleteManifest, getManifest, putManifest } from './manifest-routes.ts';
import { nextPage, parseLimit } from './paging.ts';
import { listReferrers } from './referrer-routes.ts';
import { RequestError } from '../request-error.ts';
import { repositoryOf, tagsIn } from './requested-content.ts';
import { type ServerExchange, type Handler, reply, replyJson } from '../server-exchange.ts';
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from './upload-routes.ts';

interface Route {
  /** Group 1 is the repository name, group 2 the last segment of the path. */
  readonly path: RegExp;
  readonly endpoint: Endpoint;
  /** The right that the caller needs, for all methods. Default: `read` for GET and HEAD, `write` for other methods. */
  readonly action?: Action;
  readonly methods: Readonly<Record<string, Handler>>;
}

/** The path of the health check, which needs no login. */
export const HEALTH_PATH = /^\/healthz$/;

/**
 * The endpoints of distribution-spec v1.1.1 "Endpoints", and further ones of this registry. A repository name may
 * contain `manifests`, so the last occurrence in the path is the endpoint.
 */
const routes: readonly Route[] = [
  { path: /^\/v2\/?$/, endpoint: 'ping', methods: { GET: ping, HEAD: ping } },
  { path: /^\/v2\/_catalog$/, endpoint: 'catalog', methods: { GET: listCatalog } },
  { path: HEALTH_PATH, endpoint: 'health', methods: { GET: health, HEAD: health } },
  { path: new RegExp(`^${TOKEN_PATH}$`), endpoint: 'token', methods: { GET: token } },
  { path: /^\/metrics$/, endpoint: 'metrics', methods: { GET: metrics, HEAD: metrics } },
  {
    path: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    endpoint: 'manifest',
    methods: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  },
  { path: /^\/v2\/(.+)\/blobs\/uploads\/?$/, endpoint: 'upload', methods: { POST: postUpload } },
  {
    path: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
    endpoint: 'upload',
    action: 'write',
    methods: { GET: getUpload, PATCH: patchUpload, PUT: putUpload, DELETE: deleteUpload },
  },
  {
    path: /^\/v2\/(.+)\/blobs\/([^/]+)$/,
    endpoint: 'blob',
    methods: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob },
  },
  { path: /^\/v2\/(.+)\/tags\/list$/, endpoint: 'tags', methods: { GET: listTags } },
  { path: /^\/v2\/(.+)\/referrers\/([^/]+)$/, endpoint: 'referrers', methods: { GET: listReferrers } },
  { path: /^\/v2\/(.+)\/_mlist\/repository$/, endpoint: 'repository', methods: { DELETE: deleteRepository } },
  // Pages for browsers. `/-/` cannot be a repository, because no repository name starts with "-".
  { path: /^\/$/, endpoint: 'page', methods: page('showRepositories') },
  { path: /^\/-\/repo\/([^:@]+)$/, endpoint: 'page', methods: page('showTags') },
  { path: /^\/-\/repo\/([^:@]+)[:@]([^/]+)$/, endpoint: 'page', methods: page('showContent') },
];

/** Returns the handlers of a page. Their code is loaded when the first page is requested. */
function page(name: 'showRepositories' | 'showTags' | 'showContent'): Route['methods'] {
  const show: Handler = async (exchange) => (await import('../page/pages.ts'))[name](exchange);
  return { GET: show, HEAD: show };
}

/** Whether a path belongs to the pages for browsers. Errors are then sent as pages, too. */
export function isPagePath(path = ''): boolean {
  return /^\/(?:$|\?|-\/)/.test(path);
}

/** The methods that a read-only registry accepts. */
const READ_METHODS = ['GET', 'HEAD'];

export interface MatchedRoute {
  readonly endpoint: Endpoint;
  readonly action: Action;
  readonly handler: Handler;
  /** The repository name; empty for a path without one. */
  readonly name: string;
  /** The tag, digest or upload id at the end of the path; empty if the path has none. It is not validated. */
  readonly lastSegment: string;
}

/**
 * Finds the handler of a request.
 * @throws RequestError 404 if the endpoint is unknown, 400 if the repository name is invalid, 405 if the method is not
 *   supported
 */
export function route(method: string, path: string, readOnly: boolean): MatchedRoute {
  const decoded = decodePath(path);
  for (const { path: pattern, endpoint, action, methods } of routes) {
    const match = pattern.exec(decoded);
    if (match === null) continue;
    const [, name, lastSegment = ''] = match;
    if (name !== undefined && !isRepositoryName(name)) throw invalidName(name);
    const allowed = Object.keys(methods).filter((each) => !readOnly || READ_METHODS.includes(each));
    const handler = allowed.includes(method) ? methods[method] : undefined;
    if (handler !== undefined)
      return { endpoint, action: action ?? actionOf(method), handler, name: name ?? '', lastSegment };
    const message = Object.hasOwn(methods, method)
      ? 'the registry is read-only'
      : `${method} is not supported for this path`;
    throw new RequestError(405, { code: 'UNSUPPORTED', message }, { allow: allowed.join(', ') });
  }
  throw unknownEndpoint();
}

function unknownEndpoint(): RequestError {
  return new RequestError(404, { code: 'NAME_UNKNOWN', message: 'there is no such endpoint' });
}

function actionOf(method: string): Action {
  return READ_METHODS.includes(method) ? 'read' : 'write';
}

/**
 * Decodes percent escapes. Escaped slashes, backslashes and control characters are refused, because no name, tag or
 * digest contains them.
 */
function decodePath(path: string): string {
  try {
    return path
      .split('/')
      .map((part) => {
        const decoded = decodeURIComponent(part);
        if (/[/\\\u0000-\u001f\u007f]/.test(decoded)) throw invalidName(part);
        return decoded;
      })
      .join('/');
  } catch (error) {
    throw error instanceof RequestError ? error : invalidName(path);
  }
}

function invalidName(name: string): RequestError {
  return new RequestError(400, { code: 'NAME_INVALID', message: 'invalid repository name', detail: name });
}

/** GET of `/v2/` (distribution-spec v1.1.1 "Determining Support"). */
async function ping(exchange: ServerExchange): Promise<void> {
  await Promise.resolve();
  exchange.service.access.checkKnown(exchange.request, exchange.caller);
  replyJson(exchange, {});
}

/** GET of `/healthz`: 200 while the registry accepts work, 503 while it stops. */
async function health(exchange: ServerExchange): Promise<void> {
  await Promise.resolve();
  const { isDraining } = exchange.service;
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  reply(exchange, isDraining ? 503 : 200, headers, isDraining ? 'draining\n' : 'ok\n');
}

/**
 * GET of `/token`: issues a token to a client that has sent a user name and password, or no credentials
 * (docs/decisions/0094-anonymous-pulls.md).
 */
async function token(exchange: ServerExchange): Promise<void> {
  await Promise.resolve();
  const issued = exchange.service.access.tokenFor(exchange.request, exchange.caller);
  if (issued === undefined) throw unknownEndpoint();
  const headers = { 'cache-control': 'no-store' };
  replyJson(exchange, { token: issued, access_token: issued, expires_in: TOKEN_SECONDS }, headers);
}

/** GET of `/metrics`, in the text format of Prometheus. */
async function metrics(exchange: ServerExchange): Promise<void> {
  await Promise.resolve();
  const { metrics: counted, uploads, running, connections } = exchange.service;
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
  reply(exchange, 200, headers, counted.text({ uploads: uploads.open, running: running.size, connections }));
}

/**
 * GET of `/v2/<name>/tags/list` (distribution-spec v1.1.1 "Listing Tags"): lists the tags of a repository, in lexical
 * order.
 */
async function listTags(exchange: ServerExchange): Promise<void> {
  const { name, query } = exchange;
  const repository = await repositoryOf(exchange);
  const limit = parseLimit(query.get('n'));
  const last = query.get('last') ?? '';
  const all = (await tagsIn(repository)).filter((tag) => tag > last).sort();
  const tags = all.slice(0, limit);
  const end = tags.at(-1);
  const hasNextPage = end !== undefined && tags.length < all.length;
  replyJson(exchange, { name, tags }, hasNextPage ? { link: nextPage(`/v2/${name}/tags/list`, limit, end) } : {});
}

import { isRepositoryName, isTag } from '../oci/reference.ts';
import { deleteBlob, getBlob } from './blob-routes.ts';
import { deleteManifest, getManifest, putManifest } from './manifest-routes.ts';
import { listReferrers } from './referrer-routes.ts';
import { RequestError, unknownName } from './request-error.ts';
import { type ServerExchange, type Handler, replyJson } from './server-exchange.ts';
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from './upload-routes.ts';

interface Route {
  /** Group 1 is the repository name, group 2 the last segment of the path. */
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, Handler>>;
}

/** The endpoints of distribution-spec v1.1.1 "Endpoints". A name may contain `manifests`: the last occurrence counts. */
const routes: readonly Route[] = [
  { path: /^\/v2\/?$/, methods: { GET: ping, HEAD: ping } },
  {
    path: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    methods: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  },
  { path: /^\/v2\/(.+)\/blobs\/uploads\/?$/, methods: { POST: postUpload } },
  {
    path: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
    methods: { GET: getUpload, PATCH: patchUpload, PUT: putUpload, DELETE: deleteUpload },
  },
  { path: /^\/v2\/(.+)\/blobs\/([^/]+)$/, methods: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob } },
  { path: /^\/v2\/(.+)\/tags\/list$/, methods: { GET: listTags } },
  { path: /^\/v2\/(.+)\/referrers\/([^/]+)$/, methods: { GET: listReferrers } },
  // Pages for browsers. No repository name starts with "-".
  { path: /^\/$/, methods: page('showRepositories') },
  { path: /^\/-\/repo\/([^:@]+)$/, methods: page('showTags') },
  { path: /^\/-\/repo\/([^:@]+)[:@]([^/]+)$/, methods: page('showContent') },
];

/** Pages are loaded when a browser requests the first one. */
function page(name: 'showRepositories' | 'showTags' | 'showContent'): Route['methods'] {
  const show: Handler = async (exchange) => (await import('./page/pages.ts'))[name](exchange);
  return { GET: show, HEAD: show };
}

/** Whether a path is one of a page, so that errors are answered with pages too. */
export function isPagePath(path = ''): boolean {
  return /^\/(?:$|\?|-\/)/.test(path);
}

/** Methods of a read-only registry. */
const READ_METHODS = ['GET', 'HEAD'];

export interface MatchedRoute {
  readonly handler: Handler;
  /** The repository name; empty if the path has none. */
  readonly name: string;
  /** The last segment of the path: a tag, a digest or an upload id. */
  readonly lastSegment: string;
}

/**
 * Finds the handler of a request.
 * @throws RequestError 404 for an unknown endpoint, 400 for an invalid name, 405 for an unsupported method
 */
export function route(method: string, path: string, readOnly: boolean): MatchedRoute {
  const decoded = decodePath(path);
  for (const { path: pattern, methods } of routes) {
    const match = pattern.exec(decoded);
    if (match === null) continue;
    const [, name, lastSegment = ''] = match;
    if (name !== undefined && !isRepositoryName(name)) throw invalidName(name);
    const allowed = Object.keys(methods).filter((each) => !readOnly || READ_METHODS.includes(each));
    const handler = allowed.includes(method) ? methods[method] : undefined;
    if (handler !== undefined) return { handler, name: name ?? '', lastSegment };
    const message = readOnly ? 'the registry is read-only' : `${method} is not supported here`;
    throw new RequestError(405, { code: 'UNSUPPORTED', message }, { allow: allowed.join(', ') });
  }
  throw new RequestError(404, { code: 'NAME_UNKNOWN', message: 'there is no such endpoint' });
}

/** Decodes percent escapes. Escaped slashes and control characters are refused, because no name contains them. */
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
  replyJson(exchange, {});
}

/** GET of `/v2/<name>/tags/list` (distribution-spec v1.1.1 "Listing Tags"), in lexical order. */
async function listTags(exchange: ServerExchange): Promise<void> {
  const { service, name, query } = exchange;
  const repository = await service.repositories.find(name);
  if (repository === undefined) throw unknownName(name);
  const limit = parseLimit(query.get('n'));
  const last = query.get('last') ?? '';
  const all: string[] = [];
  for await (const tag of repository.tags()) if (isTag(tag) && tag > last) all.push(tag);
  const tags = all.sort().slice(0, limit);
  const end = tags.at(-1);
  const hasNextPage = end !== undefined && tags.length < all.length;
  replyJson(exchange, { name, tags }, hasNextPage ? { link: nextLink(name, limit, end) } : {});
}

function nextLink(name: string, limit: number | undefined, last: string): string {
  const query = new URLSearchParams({ n: String(limit), last });
  return `</v2/${name}/tags/list?${query.toString()}>; rel="next"`;
}

function parseLimit(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RequestError(400, { code: 'PAGINATION_NUMBER_INVALID', message: 'n is not a number', detail: text });
}

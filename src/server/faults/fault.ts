import { MlistError } from '../../errors/errors.ts';

/** The kind of a request, by its path. */
export type RequestKind = 'ping' | 'manifest' | 'blob' | 'upload' | 'tags' | 'referrers' | 'token';

/** The requests that a fault applies to. All members that are given must match. */
export interface FaultMatch {
  /** Such as `PUT`. */
  readonly method?: string | undefined;
  /** Default: all kinds. */
  readonly kind?: RequestKind | undefined;
  /** Matches the path with its query. */
  readonly path?: RegExp | undefined;
}

/** What a fault does. */
export type FaultEffect =
  /** Answers with this status, and does not process the request. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> | undefined }
  /** Delays the response by this number of milliseconds. */
  | { readonly delayMs: number }
  /**
   * Closes the connection after this number of bytes of the response body. With 0, the request is processed, and its response
   * is lost.
   */
  | { readonly cutAfter: number }
  /** Changes the bytes of a response to GET, and the header `Docker-Content-Digest` of all others. */
  | { readonly wrongDigest: true }
  /** Starts an upload in place of a mount, as registries without mounts do. */
  | { readonly noMount: true }
  /** Has no referrers API: `/referrers/` is not found, and no response has the header `OCI-Subject`. */
  | { readonly noReferrers: true };

/** A fault that the registry injects, for tests of clients. */
export type Fault = FaultEffect & {
  /** Default: all requests. */
  readonly match?: FaultMatch | undefined;
  /** The number of matching requests that it applies to. Default: all. */
  readonly times?: number | undefined;
  /** The number of matching requests that are answered as usual first. Default 0. */
  readonly skip?: number | undefined;
};

/** The members that state an effect. */
type EffectName = Exclude<MemberOf<FaultEffect>, 'headers'>;

/** The members of all variants of a union. */
export type MemberOf<Union> = Union extends unknown ? keyof Union : never;

const effectNames: Readonly<Record<EffectName, true>> = {
  status: true,
  delayMs: true,
  cutAfter: true,
  wrongDigest: true,
  noMount: true,
  noReferrers: true,
};

const effects = Object.keys(effectNames);

/** @throws MlistError `ERR_MLIST_USAGE` unless the fault has exactly one effect */
export function checkEffect(fault: object): void {
  const found = effects.filter((name) => (fault as Readonly<Record<string, unknown>>)[name] !== undefined);
  if (found.length === 1) return;
  throw new MlistError('ERR_MLIST_USAGE', `a fault must have exactly one of ${effects.join(', ')}`);
}

/** The paths of each kind. The first match counts. */
const kinds: Readonly<Record<RequestKind, RegExp>> = {
  ping: /^\/v2\/?$/,
  manifest: /^\/v2\/.+\/manifests\/[^/]+$/,
  upload: /^\/v2\/.+\/blobs\/uploads\/?[^/]*$/,
  blob: /^\/v2\/.+\/blobs\/[^/]+$/,
  tags: /^\/v2\/.+\/tags\/list$/,
  referrers: /^\/v2\/.+\/referrers\/[^/]+$/,
  token: /^\/token$/,
};

export const requestKinds = Object.keys(kinds) as readonly RequestKind[];

/** Whether a fault applies to a request with this method and URL. */
export function matches({ match = {}, ...effect }: Fault, method: string, url: string): boolean {
  const [path = ''] = url.split('?');
  const kind = requestKinds.find((each) => kinds[each].test(path));
  if ('noMount' in effect && !(method === 'POST' && kind === 'upload' && /[?&]mount=/.test(url))) return false;
  if ('noReferrers' in effect && kind !== 'referrers' && !(method === 'PUT' && kind === 'manifest')) return false;
  return (
    (match.method === undefined || match.method === method) &&
    (match.kind === undefined || match.kind === kind) &&
    // A pattern with the flag `g` would otherwise remember its last match.
    (match.path === undefined || url.search(match.path) >= 0)
  );
}

import { MlistError } from '../../errors/errors.ts';

/** The kind of a request, which is determined by its path. */
export type RequestKind = 'ping' | 'manifest' | 'blob' | 'upload' | 'tags' | 'referrers' | 'token';

/** Selects the requests that a fault applies to. A request must match all members that are set. */
export interface FaultMatch {
  /** The method, such as `PUT`. Default: all methods. */
  readonly method?: string | undefined;
  /** Default: all kinds. */
  readonly kind?: RequestKind | undefined;
  /** A pattern for the path with its query. Default: all paths. */
  readonly path?: RegExp | undefined;
}

/** The effect of a fault. */
export type FaultEffect =
  /** Answers with this status instead of processing the request. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> | undefined }
  /** Delays the response by this number of milliseconds. */
  | { readonly delayMs: number }
  /**
   * Closes the connection after this number of bytes of the response body. With 0, the request is processed, but no
   * response is sent.
   */
  | { readonly cutAfter: number }
  /** Changes the body of a response to GET, and the header `Docker-Content-Digest` of responses to other methods. */
  | { readonly wrongDigest: true }
  /** Starts an upload instead of mounting a blob, as registries that do not support mounts do. */
  | { readonly noMount: true }
  /** Disables the referrers API: `/referrers/` is answered with 404, and no response has the header `OCI-Subject`. */
  | { readonly noReferrers: true };

/** A fault that the registry injects, for testing clients. */
export type Fault = FaultEffect & {
  /** The requests that the fault applies to. Default: all requests. */
  readonly match?: FaultMatch | undefined;
  /** The maximum number of matching requests that the fault applies to. Default: no limit. */
  readonly times?: number | undefined;
  /** The number of matching requests that are processed normally before the fault applies. Default 0. */
  readonly skip?: number | undefined;
};

/** The names of the members that select the effect of a fault. A fault has exactly one of these members. */
type EffectName = Exclude<MemberOf<FaultEffect>, 'headers'>;

/** The names of the members of all variants of a union. */
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

/**
 * Checks that a fault has exactly one effect.
 * @throws MlistError `ERR_MLIST_USAGE` if it has none or several
 */
export function checkEffect(fault: object): void {
  const found = effects.filter((name) => (fault as Readonly<Record<string, unknown>>)[name] !== undefined);
  if (found.length === 1) return;
  throw new MlistError('ERR_MLIST_USAGE', `a fault must have exactly one of ${effects.join(', ')}`);
}

/** The paths of each kind of request. The first kind whose pattern matches is used. */
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

/** Whether a request with this method and URL matches a fault. `skip` and `times` are not taken into account. */
export function matches({ match = {}, ...effect }: Fault, method: string, url: string): boolean {
  const [path = ''] = url.split('?');
  const kind = requestKinds.find((each) => kinds[each].test(path));
  if ('noMount' in effect && !(method === 'POST' && kind === 'upload' && /[?&]mount=/.test(url))) return false;
  if ('noReferrers' in effect && kind !== 'referrers' && !(method === 'PUT' && kind === 'manifest')) return false;
  return (
    (match.method === undefined || match.method === method) &&
    (match.kind === undefined || match.kind === kind) &&
    // If the pattern has the flag `g`, `RegExp.test` would start after the previous match.
    (match.path === undefined || url.search(match.path) >= 0)
  );
}

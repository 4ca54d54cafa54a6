import { MlistError } from '../../errors/errors.ts';
import { RequestError, type RegistryErrorEntry } from '../request-error.ts';
import type { ProxyTarget } from './proxy-upstream.ts';

/** The upstream cannot answer at the moment. Cached content may be served instead. */
export class UpstreamUnavailable extends RequestError {
  /** The delay that the upstream requests before the next try. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, problem: RegistryErrorEntry, retryAfterMs: number | undefined) {
    const seconds = Math.ceil((retryAfterMs ?? 10_000) / 1000);
    super(status, problem, status === 429 ? { 'retry-after': String(seconds) } : {});
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Converts an error of a request to an upstream to the error for the client. Errors of this registry are returned
 * unchanged.
 */
export function upstreamError(error: unknown, host: string): unknown {
  if (error instanceof Error && error.name === 'TimeoutError')
    return new UpstreamUnavailable(504, { code: 'UNAVAILABLE', message: `upstream ${host} is too slow` }, undefined);
  if (!(error instanceof MlistError) || error.code === 'ERR_MLIST_NOT_FOUND') return error;
  const { code, message, facts } = error;
  const { status = 0, retryAfterMs } = facts;
  if (status === 429) return new UpstreamUnavailable(429, { code: 'TOOMANYREQUESTS', message }, retryAfterMs);
  const problem = { code: 'UNAVAILABLE', message: `upstream ${host}: ${message}` } as const;
  if (code === 'ERR_MLIST_TIMEOUT') return new UpstreamUnavailable(504, problem, retryAfterMs);
  if (status === 508) return new RequestError(508, problem);
  if (code === 'ERR_MLIST_NETWORK' || status >= 500) return new UpstreamUnavailable(502, problem, retryAfterMs);
  // Registries also answer with 401 for repositories that do not exist.
  if (status === 401) return new RequestError(404, { ...problem, code: 'NAME_UNKNOWN' });
  if (status === 403) return new RequestError(403, { ...problem, code: 'DENIED' });
  return new RequestError(502, problem);
}

/** The error for a write to a repository of an upstream, which the cache cannot accept. */
export function notWritable({ upstream }: ProxyTarget): RequestError {
  const message = `this repository is a cache of ${upstream.host}: push to ${upstream.host} itself`;
  return new RequestError(405, { code: 'UNSUPPORTED', message }, { allow: 'GET, HEAD' });
}

/** The error for a push without a login that would hide a repository of an upstream. */
export function needsLogin(name: string, { upstream }: ProxyTarget): RequestError {
  const message = `${name} is a repository of ${upstream.host} here, and this push would hide it from all clients: push to ${upstream.host} itself, or log in to this registry, if it has users`;
  return new RequestError(405, { code: 'UNSUPPORTED', message }, { allow: 'GET, HEAD' });
}

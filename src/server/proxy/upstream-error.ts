import { MlistError } from '../../errors/errors.ts';
import { RequestError, type RegistryCode, type RegistryErrorEntry } from '../request-error.ts';
import type { ProxyTarget } from './proxy-upstream.ts';

/** Thrown if the upstream is not available. Cached content may be served instead. */
export class UpstreamUnavailable extends RequestError {
  /** The delay in the upstream's `Retry-After` header; undefined if the header is missing. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, problem: RegistryErrorEntry, retryAfterMs: number | undefined) {
    const seconds = Math.ceil((retryAfterMs ?? 10_000) / 1000);
    super(status, problem, status === 429 ? { 'retry-after': String(seconds) } : {});
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Converts an error of a request to an upstream into the error for the client. `ERR_MLIST_NOT_FOUND`, and errors that
 * are neither an MlistError nor a timeout, are returned unchanged.
 */
export function upstreamError(error: unknown, host: string): unknown {
  const unavailable = (status: number, reason: string, delay?: number, code: RegistryCode = 'UNAVAILABLE') =>
    new UpstreamUnavailable(status, { code, message: `upstream ${host} is not available: ${reason}` }, delay);
  if (error instanceof Error && error.name === 'TimeoutError') return unavailable(504, 'it did not respond in time');
  if (!(error instanceof MlistError) || error.code === 'ERR_MLIST_NOT_FOUND') return error;
  const { code, message, facts } = error;
  const { status = 0, retryAfterMs } = facts;
  if (status === 429) return unavailable(429, message, retryAfterMs, 'TOOMANYREQUESTS');
  const problem = { code: 'UNAVAILABLE', message: `upstream ${host}: ${message}` } as const;
  if (code === 'ERR_MLIST_TIMEOUT') return unavailable(504, message, retryAfterMs);
  if (status === 508) return new RequestError(508, problem);
  if (code === 'ERR_MLIST_NETWORK' || status >= 500) return unavailable(502, message, retryAfterMs);
  // Registries also answer with 401 for repositories that do not exist.
  if (status === 401) return new RequestError(404, { ...problem, code: 'NAME_UNKNOWN' });
  if (status === 403) return new RequestError(403, { ...problem, code: 'DENIED' });
  return new RequestError(502, problem);
}

/** Returns the error for a request to change a repository of an upstream. The cache does not support changes. */
export function notWritable({ upstream }: ProxyTarget): RequestError {
  const message = `this repository is a read-only cache of ${upstream.host}: change it on ${upstream.host} itself`;
  return new RequestError(405, { code: 'UNSUPPORTED', message }, { allow: 'GET, HEAD' });
}

/** Returns the error for a push without a login to a name under which a repository of an upstream is served. */
export function needsLogin(name: string, { upstream }: ProxyTarget): RequestError {
  const message = `${name} is served from ${upstream.host}, and this push would create a local repository that hides it: push to ${upstream.host} itself, or log in to this registry if it has users`;
  return new RequestError(405, { code: 'UNSUPPORTED', message }, { allow: 'GET, HEAD' });
}

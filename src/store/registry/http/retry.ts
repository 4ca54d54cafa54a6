import { errorCode, MlistError, type ErrorFacts } from '../../../errors/errors.ts';
import { isUntrustedCertificate } from './tls-errors.ts';

/** This module decides whether a failed request is sent again, and after which delay. */

const retryable = new Set([408, 425, 429, 499]);

/** Whether a failed request with this status may succeed later: 408, 425, 429, 499, and 5xx except 501 and 505. */
export function isRetryableStatus(status: number): boolean {
  return retryable.has(status) || (status >= 500 && status !== 501 && status !== 505);
}

/** Whether an error status of a token service or its proxy may be temporary rather than a refusal of the login. */
export function isTransientStatus(status: number): boolean {
  return status === 404 || status === 405 || isRetryableStatus(status);
}

/** The 4xx statuses that are not retryable. */
export const REFUSALS = Array.from({ length: 100 }, (_, at) => 400 + at).filter((status) => !isRetryableStatus(status));

/**
 * Statuses of a response to HEAD after which GET is tried, because a registry may refuse HEAD or fail on it, but serve
 * GET. A response to GET also has a body, which may contain the reason. 401 and 404 are not included, because GET would
 * have the same result.
 */
export const HEAD_REFUSED = [
  ...REFUSALS.filter((status) => status !== 401 && status !== 404),
  ...Array.from({ length: 100 }, (_, at) => 500 + at),
];

/** Whether a status means that the registry has not processed the request, and even a POST may be sent again. */
export function isUnprocessedStatus(status: number): boolean {
  return status === 425 || status === 429;
}

const MIN_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 8_000;

/** The longest `Retry-After` that mlist obeys. If a registry sends a longer one, the request fails at once. */
const MAX_WAIT_MS = 120_000;

/** Whether a registry asks for a longer wait than mlist accepts. */
export function exceedsMaxWait({ status = 0, retryAfterMs = 0 }: Pick<ErrorFacts, 'status' | 'retryAfterMs'>): boolean {
  return isRetryableStatus(status) && retryAfterMs > MAX_WAIT_MS;
}

/**
 * Returns the milliseconds to wait after attempt number `attempt`. The time doubles with each attempt up to
 * `MAX_BACKOFF_MS`; half of it is random.
 */
export function backoff(attempt: number): number {
  const full = Math.min(MIN_BACKOFF_MS * 2 ** (attempt - 1), MAX_BACKOFF_MS);
  return full / 2 + (Math.random() * full) / 2;
}

/** Adds a random part to a wait, so that clients with the same `Retry-After` do not all retry at once. */
export function jitter(milliseconds: number): number {
  return milliseconds + Math.random() * Math.min(250, milliseconds / 10);
}

/**
 * Returns the delay in a `Retry-After` header, in milliseconds (RFC 9110 section 10.2.3). Returns undefined if the
 * header is missing or invalid. It may be a number of seconds, a date, or, as some registries send it, a fraction
 * (`1.5`) or a duration with a unit (`12.5ms`).
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const duration = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)?\s*$/.exec(header);
  const date = duration === null ? Date.parse(header) : Number.NaN;
  const wait = duration === null ? date - now : Number(duration[1]) * unitMs(duration[2]);
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
}

const DAY_MS = 86_400_000;

/** Formats a `Retry-After` for messages, such as `30 s`. */
export function waitText(milliseconds: number): string {
  return milliseconds > DAY_MS ? 'more than a day' : `${Math.ceil(milliseconds / 1000)} s`;
}

function unitMs(unit: string | undefined): number {
  if (unit === 'ms') return 1;
  return unit === 'm' ? 60_000 : 1_000;
}

/**
 * Whether the connection failed in a way that may be temporary. Invalid certificates, TLS alerts, unknown hosts and
 * invalid HTTP are permanent.
 */
export function isConnectionError(thrown: unknown): boolean {
  if (thrown instanceof MlistError || isUntrustedCertificate(thrown)) return false;
  return !/^(?:ERR_TLS|ERR_SSL_.*ALERT_|ENOTFOUND|HPE_|HTTP_101|HTTP2_PROTOCOL)/.test(errorCode(thrown) ?? '');
}

/** Whether an HTTP/2 server has refused a request, or has closed the session without processing the request. */
export function isUnprocessed(thrown: unknown): boolean {
  return errorCode(thrown) === 'HTTP2_UNPROCESSED';
}

/**
 * Whether the server has certainly not processed the request, because no connection was opened or the server has
 * refused the request.
 */
export function isUnsent(thrown: unknown): boolean {
  return (
    isUnprocessed(thrown) ||
    ['ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EPROXY'].includes(errorCode(thrown) ?? '')
  );
}

export function isTimeout(thrown: unknown): boolean {
  return ['ETIMEDOUT', 'ESOCKETTIMEDOUT'].includes(errorCode(thrown) ?? '');
}

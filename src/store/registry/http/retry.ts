import { errorCode, MlistError, type ErrorFacts } from '../../../errors/errors.ts';

/** Decides whether a failed request is sent again, and after which delay. */

const retryable = new Set([408, 425, 429, 499]);

/** Whether a request with this status may succeed later: 5xx and a few 4xx. 501 and 505 are permanent. */
export function isRetryableStatus(status: number): boolean {
  return retryable.has(status) || (status >= 500 && status !== 501 && status !== 505);
}

/** Whether a status of a token service, or of a proxy in front of it, is temporary and does not depend on the login. */
export function isTransientStatus(status: number): boolean {
  return status === 404 || status === 405 || isRetryableStatus(status);
}

/** The statuses of client errors with which a request is refused permanently. */
export const REFUSALS = Array.from({ length: 100 }, (_, at) => 400 + at).filter((status) => !isRetryableStatus(status));

/**
 * Responses to a HEAD after which GET is tried: a registry may refuse HEAD, or fail on it, and still serve GET. The
 * response to GET also has a body, which may state the reason. 401 is not included, because GET would also get a 401.
 */
export const HEAD_REFUSED = [
  ...REFUSALS.filter((status) => status !== 401 && status !== 404),
  ...Array.from({ length: 100 }, (_, at) => 500 + at),
];

/** Whether a status shows that the registry has not processed the request, so that even a POST may be sent again. */
export function isUnprocessedStatus(status: number): boolean {
  return status === 425 || status === 429;
}

const MIN_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 8_000;

/** The longest `Retry-After` for which mlist waits. If it is longer, the request fails at once. */
const MAX_WAIT_MS = 120_000;

/** Whether a registry asks for a longer wait than mlist accepts. */
export function exceedsMaxWait({ status = 0, retryAfterMs = 0 }: Pick<ErrorFacts, 'status' | 'retryAfterMs'>): boolean {
  return isRetryableStatus(status) && retryAfterMs > MAX_WAIT_MS;
}

/** Milliseconds to wait after attempt number `attempt`. They double each time; half of them is random. */
export function backoff(attempt: number): number {
  const full = Math.min(MIN_BACKOFF_MS * 2 ** (attempt - 1), MAX_BACKOFF_MS);
  return full / 2 + (Math.random() * full) / 2;
}

/** Adds a random part to a wait, so that clients with the same `Retry-After` do not all return at once. */
export function jitter(milliseconds: number): number {
  return milliseconds + Math.random() * Math.min(250, milliseconds / 10);
}

/**
 * The wait in a `Retry-After` header, in milliseconds (RFC 9110 section 10.2.3). It may be a number of seconds, a date,
 * or, as some registries send it, a fraction (`1.5`) or a duration with a unit (`12.5ms`).
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const duration = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)?\s*$/.exec(header);
  const date = duration === null ? Date.parse(header) : Number.NaN;
  const wait = duration === null ? date - now : Number(duration[1]) * unitMs(duration[2]);
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
}

const DAY_MS = 86_400_000;

/** A `Retry-After` for messages, such as `30 s`. */
export function waitText(milliseconds: number): string {
  return milliseconds > DAY_MS ? 'more than a day' : `${Math.ceil(milliseconds / 1000)} s`;
}

function unitMs(unit: string | undefined): number {
  if (unit === 'ms') return 1;
  return unit === 'm' ? 60_000 : 1_000;
}

/**
 * Whether the connection failed in a way that may be temporary. Errors of TLS trust, DNS and HTTP syntax are permanent.
 */
export function isConnectionError(thrown: unknown): boolean {
  if (thrown instanceof MlistError) return false;
  return !/^(?:ERR_TLS|ERR_SSL_.*ALERT_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ENOTFOUND|HPE_|HTTP_101|HTTP2_PROTOCOL)/.test(
    errorCode(thrown) ?? '',
  );
}

/** Whether an HTTP/2 server has refused a request, or closed the session before it has processed the request. */
export function isUnprocessed(thrown: unknown): boolean {
  return errorCode(thrown) === 'HTTP2_UNPROCESSED';
}

/** Whether the connection was never opened, or the server has processed nothing of the request. */
export function isUnsent(thrown: unknown): boolean {
  return (
    isUnprocessed(thrown) ||
    ['ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EPROXY'].includes(errorCode(thrown) ?? '')
  );
}

export function isTimeout(thrown: unknown): boolean {
  return ['ETIMEDOUT', 'ESOCKETTIMEDOUT'].includes(errorCode(thrown) ?? '');
}

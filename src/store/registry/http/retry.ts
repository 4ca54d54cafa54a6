import type { ErrorFacts } from '../../../errors/errors.ts';

/** When a failed step is worth another try, and how long to wait for it. */

const retryable = new Set([408, 425, 429, 499]);

/** 501 and 505 say that it will never work. */
export function isRetryableStatus(status: number): boolean {
  return retryable.has(status) || (status >= 500 && status !== 501 && status !== 505);
}

/** Status codes of a token service, or of the proxy in front of it, that do not depend on the login. */
export function isTransientStatus(status: number): boolean {
  return status === 404 || status === 405 || isRetryableStatus(status);
}

/** Client errors that another attempt does not change. */
export const REFUSALS = Array.from({ length: 100 }, (_, at) => 400 + at).filter((status) => !isRetryableStatus(status));

/**
 * Answers to a HEAD after which GET is tried: a registry may refuse HEAD, or fail on it, and still serve GET. The answer to
 * GET also has a body, which may state the reason. 401 is not among them, since it would be the answer to GET too.
 */
export const HEAD_REFUSED = [
  ...REFUSALS.filter((status) => status !== 401 && status !== 404),
  ...Array.from({ length: 100 }, (_, at) => 500 + at),
];

/** The registry did not begin on the request: it may be sent again, whatever it would have done. */
export function isUnprocessedStatus(status: number): boolean {
  return status === 425 || status === 429;
}

const FIRST_MS = 200;
const LONGEST_MS = 8_000;

/** The longest wait that a registry may ask for. If it asks for more, the step fails at once. */
const LONGEST_ASKED_MS = 120_000;

/** Whether a registry asks for a longer wait than mlist accepts. */
export function exceedsMaxWait({ status = 0, retryAfterMs = 0 }: Pick<ErrorFacts, 'status' | 'retryAfterMs'>): boolean {
  return isRetryableStatus(status) && retryAfterMs > LONGEST_ASKED_MS;
}

/** Milliseconds before try number `tries` + 1: doubling, half of it at random, so that many clients spread out. */
export function backoff(tries: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_MS * 2 ** (tries - 1), LONGEST_MS);
  return full / 2 + (random() * full) / 2;
}

/** A little later than asked, so that clients that were told the same do not all come back at once. */
export function jitter(milliseconds: number, random: () => number = Math.random): number {
  return milliseconds + random() * Math.min(250, milliseconds / 10);
}

/**
 * What a Retry-After header asks for, in milliseconds (RFC 9110 section 10.2.3): seconds, also with a fraction, as some
 * registries send, a duration with its unit (`12.5ms`), or a date.
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const duration = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)?\s*$/.exec(header);
  const date = duration === null ? Date.parse(header) : Number.NaN;
  const wait = duration === null ? date - now : Number(duration[1]) * unitMs(duration[2]);
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
}

const DAY_MS = 86_400_000;

/** A wait that a registry asks for, for messages. */
export function waitText(milliseconds: number): string {
  return milliseconds > DAY_MS ? 'more than a day' : `${Math.ceil(milliseconds / 1000)} s`;
}

function unitMs(unit: string | undefined): number {
  if (unit === 'ms') return 1;
  return unit === 'm' ? 60_000 : 1_000;
}

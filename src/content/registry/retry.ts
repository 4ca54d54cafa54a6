/** When a failed step is worth another try, and how long to wait for it. */

const retryable = new Set([408, 425, 429, 500, 502, 503, 504, 499, 522]);

export function isRetryableStatus(status: number): boolean {
  return retryable.has(status) || (status >= 500 && status !== 501 && status !== 505);
}

const FIRST_MS = 200;
const LONGEST_MS = 8_000;

/** Nobody waits longer for one step, whatever a registry asks for. */
const LONGEST_ASKED_MS = 120_000;

/** Milliseconds before try number `tries` + 1: doubling, half of it at random, so that many clients spread out. */
export function backoff(tries: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_MS * 2 ** (tries - 1), LONGEST_MS);
  return full / 2 + (random() * full) / 2;
}

/**
 * What a Retry-After header asks for, in milliseconds (RFC 9110 section 10.2.3): seconds, also with a fraction, as some
 * registries send, a duration with its unit (`12.5ms`), or a date.
 */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const duration = /^\s*(\d+(?:\.\d+)?)\s*(ms|s)?\s*$/.exec(header);
  const date = duration === null ? Date.parse(header) : Number.NaN;
  const wait = duration === null ? date - now : Number(duration[1]) * (duration[2] === 'ms' ? 1 : 1000);
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), LONGEST_ASKED_MS);
}

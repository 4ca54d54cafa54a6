import type { HttpResponse } from './response.ts';

/** The pull rate limit that Docker Hub reports (docs.docker.com "Docker Hub pull usage and limits"). */
export interface RateLimit {
  readonly limit: number;
  readonly remaining: number;
  /** The period of the limit in seconds. */
  readonly window?: number;
}

/**
 * Reads the headers `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`. Returns undefined if one of
 * them is missing or invalid.
 */
export function rateLimitIn(headers: HttpResponse['headers']): RateLimit | undefined {
  const limit = parseCount(headers['ratelimit-limit']);
  const remaining = parseCount(headers['ratelimit-remaining']);
  if (limit === undefined || remaining === undefined) return undefined;
  const window = limit.window ?? remaining.window;
  return { limit: limit.count, remaining: remaining.count, ...(window === undefined ? {} : { window }) };
}

function parseCount(header: string | undefined): { readonly count: number; readonly window?: number } | undefined {
  const [, count, window] = /^\s*(\d{1,9})(?:\s*;\s*w=(\d{1,9}))?/.exec(header ?? '') ?? [];
  if (count === undefined) return undefined;
  return { count: Number(count), ...(window === undefined ? {} : { window: Number(window) }) };
}

/** Delays all requests to a registry after a response with `Retry-After`. */
export class RateLimitGate {
  #until = 0;

  /** Delays requests for this many milliseconds from now. A longer delay that is already in effect is kept. */
  delay(milliseconds: number): void {
    this.#until = Math.max(this.#until, performance.now() + milliseconds);
  }

  /** Milliseconds until the next request may be sent; 0 if it may be sent now. */
  get remainingMs(): number {
    return Math.max(0, this.#until - performance.now());
  }
}

import { RequestError } from '../request-error.ts';

/** This file contains the pagination of tags and repositories (distribution-spec v1.1.1 "Listing Tags"). */

/** Higher values of `n` are reduced to this number, which exceeds the length of any list. */
const MAX_LIMIT = 1_000_000_000;

/**
 * Parses the parameter `n`. Returns undefined if it is missing.
 * @throws RequestError 400 if it is not a non-negative integer
 */
export function parseLimit(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text), MAX_LIMIT);
  throw new RequestError(400, {
    code: 'PAGINATION_NUMBER_INVALID',
    message: 'the parameter n must be a non-negative integer',
    detail: text,
  });
}

/** Returns the Link header for the page that starts after `last`. */
export function nextPage(path: string, limit: number | undefined, last: string): string {
  const query = new URLSearchParams({ n: String(limit), last });
  return `<${path}?${query.toString()}>; rel="next"`;
}

import { RequestError } from '../request-error.ts';

/** Pages of tags and of repositories (distribution-spec v1.1.1 "Listing Tags"). */

/** The maximum of `n`. No repository has more tags, and no registry more repositories. */
const MAX_LIMIT = 1_000_000_000;

/**
 * Parses the parameter `n`; undefined if it is missing.
 * @throws RequestError 400 if it is not a number
 */
export function parseLimit(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text), MAX_LIMIT);
  throw new RequestError(400, { code: 'PAGINATION_NUMBER_INVALID', message: 'n is not a number', detail: text });
}

/** Returns the Link header for the page after the name `last`. */
export function nextPage(path: string, limit: number | undefined, last: string): string {
  const query = new URLSearchParams({ n: String(limit), last });
  return `<${path}?${query.toString()}>; rel="next"`;
}

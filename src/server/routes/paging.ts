import { RequestError } from '../request-error.ts';

/** Pages of tags and of repositories (distribution-spec v1.1.1 "Listing Tags"). */

/** @throws RequestError 400 if `n` is not a number */
export function parseLimit(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RequestError(400, { code: 'PAGINATION_NUMBER_INVALID', message: 'n is not a number', detail: text });
}

/** The Link header for the page after `last`. */
export function nextPage(path: string, limit: number | undefined, last: string): string {
  const query = new URLSearchParams({ n: String(limit), last });
  return `<${path}?${query.toString()}>; rel="next"`;
}

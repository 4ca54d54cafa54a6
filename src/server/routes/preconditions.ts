import type { IncomingMessage } from 'node:http';
import type { Digest } from '../../oci/digest.ts';
import { RequestError } from '../request-error.ts';

/** The entity tag of content: its digest (RFC 9110 section 8.8.3). */
export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether the client already has the content, by `If-None-Match` (RFC 9110 section 13.1.2). */
export function isNotModified({ headers }: IncomingMessage, digest: Digest): boolean {
  return matches(headers['if-none-match'], digest);
}

/**
 * Checks the precondition of a write: `If-Match`, or `If-None-Match: *` for content that must not exist.
 * @param current - the current digest; undefined if the content does not exist
 * @throws RequestError 412 if the precondition fails
 */
export function checkPreconditions({ headers }: IncomingMessage, current: Digest | undefined): void {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  const isMet = (match === undefined || matches(match, current)) && !matches(noneMatch, current);
  if (isMet) return;
  const message = current === undefined ? 'the content does not exist' : `the current content is ${current}`;
  throw new RequestError(412, { code: 'PRECONDITION_FAILED', message });
}

function matches(header: string | undefined, digest: Digest | undefined): boolean {
  if (header === undefined || digest === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etagOf(digest));
}

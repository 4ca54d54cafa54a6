import type { IncomingMessage } from 'node:http';
import type { Digest } from '../../oci/digest.ts';
import { RequestError } from '../request-error.ts';

/** Returns the entity tag of content: its digest in quotes (RFC 9110 section 8.8.3). */
export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether the client already has the content, according to `If-None-Match` (RFC 9110 section 13.1.2). */
export function isNotModified({ headers }: IncomingMessage, digest: Digest): boolean {
  return matches(headers['if-none-match'], digest);
}

/**
 * Checks the preconditions of a write: `If-Match` with the digest of the current content, or `If-None-Match: *` if the
 * content must not exist.
 * @param current - the current digest; undefined if the content does not exist
 * @throws RequestError 412 if a precondition fails
 */
export function checkPreconditions({ headers }: IncomingMessage, current: Digest | undefined): void {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  const isMet = (match === undefined || matches(match, current)) && !matches(noneMatch, current);
  if (isMet) return;
  const reason = current === undefined ? 'the content does not exist' : `the current digest is ${current}`;
  const message = `precondition failed: ${reason}`;
  throw new RequestError(412, { code: 'PRECONDITION_FAILED', message });
}

function matches(header: string | undefined, digest: Digest | undefined): boolean {
  if (header === undefined || digest === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etagOf(digest));
}

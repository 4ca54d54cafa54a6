import type { IncomingMessage } from 'node:http';
import type { Digest } from '../oci/digest.ts';
import { RequestError } from './request-error.ts';

/** The entity tag of content: its digest (RFC 9110 section 8.8.3). */
export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether a reader has this content already (RFC 9110 section 13.1.2). */
export function isNotModified({ headers }: IncomingMessage, digest: Digest): boolean {
  return matches(headers['if-none-match'], digest);
}

/**
 * Checks what a writer expects to replace: `If-Match`, or `If-None-Match: *` for what must not be there yet.
 * @throws Refusal 412 where something else is there.
 */
export function checkPreconditions({ headers }: IncomingMessage, current: Digest | undefined): void {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  const isMet = (match === undefined || matches(match, current)) && !matches(noneMatch, current);
  if (isMet) return;
  const message = current === undefined ? 'there is nothing to replace' : `the content there is ${current}`;
  throw new RequestError(412, { code: 'PRECONDITION_FAILED', message });
}

function matches(header: string | undefined, digest: Digest | undefined): boolean {
  if (header === undefined || digest === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etagOf(digest));
}

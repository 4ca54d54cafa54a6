import { MlistError } from '../../../errors/errors.ts';
import { checkAddress, sameOrigin } from './address.ts';
import type { DocumentRequest } from './document-request.ts';
import type { HttpResponse } from './response.ts';

const MAX_REDIRECTS = 10;

/** A response, and the address that sent it. */
export interface LocatedResponse {
  readonly url: URL;
  readonly response: HttpResponse;
}

export interface RedirectOptions {
  readonly method: DocumentRequest['method'];
  /** The address of the registry's API. */
  readonly base: URL;
  /**
   * Sends the request to another address.
   * @param isOwn - whether the address and all addresses before it have the registry's own origin, so that the request
   * may have the login
   */
  readonly send: (url: URL, isOwn: boolean) => Promise<HttpResponse>;
}

/**
 * Follows the redirects of a response until a response is not a redirect, or has no valid location.
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS`; `ERR_MLIST_REGISTRY` after too many redirects
 */
export async function followRedirects(
  first: LocatedResponse,
  { method, base, send }: RedirectOptions,
): Promise<LocatedResponse> {
  let current = first;
  let isOwn = sameOrigin(first.url, base);
  for (let redirects = 0; isRedirect(current.response.status, method); redirects += 1) {
    const location = current.response.headers['location'];
    if (location === undefined || !URL.canParse(location, current.url.href)) break;
    if (redirects >= MAX_REDIRECTS) throw tooManyRedirects(base);
    current.response.discard();
    const url = new URL(location, current.url);
    checkAddress('a redirect', url, current.url);
    checkAddress('a redirect', url, base);
    isOwn &&= sameOrigin(url, base);
    current = { url, response: await send(url, isOwn) };
  }
  return current;
}

/**
 * Whether a response is a redirect to follow. 307 and 308 apply to every method; 301, 302 and 303 are not followed for
 * POST, because they would turn it into a GET.
 */
function isRedirect(status: number, method: DocumentRequest['method']): boolean {
  const isRead = method === 'GET' || method === 'HEAD';
  return (isRead && [301, 302, 303].includes(status)) || status === 307 || status === 308;
}

function tooManyRedirects(base: URL): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `too many redirects from ${base.host} (more than ${MAX_REDIRECTS})`);
}

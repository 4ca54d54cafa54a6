import { MlistError } from '../../../errors/errors.ts';
import { checkAddress, sameOrigin } from './address.ts';
import type { DocumentRequest } from './document-request.ts';
import { HostFailure } from './connect.ts';
import type { HttpResponse } from './response.ts';

const MAX_REDIRECTS = 10;

/** Thrown if, after a redirect, the connection to a host other than the registry fails. */
export class RedirectFailure extends HostFailure {}

/**
 * Wraps the error of a request in a `RedirectFailure` if the connection to a host other than the registry has failed.
 * Returns any other error unchanged.
 * @param url - the address of the request
 * @param base - the address of the registry's API
 */
export function redirectFailure(url: URL, base: URL, thrown: unknown): unknown {
  const isKnown = thrown instanceof MlistError || thrown instanceof HostFailure;
  return isKnown || url.host === base.host ? thrown : new RedirectFailure(url, thrown);
}

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
   * @param isOwn - whether this address and all addresses before it have the registry's own origin; only then may the
   * request carry the login
   */
  readonly send: (url: URL, isOwn: boolean) => Promise<HttpResponse>;
}

/**
 * Follows redirects until a response is not a redirect, or has no valid `Location`.
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if a redirect leads to an address that `checkAddress` refuses;
 * `ERR_MLIST_REGISTRY` after too many redirects; RedirectFailure if the connection to another host fails
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
    checkAddress('a redirect to', url, current.url);
    checkAddress('a redirect to', url, base);
    isOwn &&= sameOrigin(url, base);
    const response = await send(url, isOwn).catch((thrown: unknown) => {
      throw redirectFailure(url, base, thrown);
    });
    current = { url, response };
  }
  return current;
}

/**
 * Whether a response is a redirect that is followed. 307 and 308 are followed for every method; 301, 302 and 303 only
 * for GET and HEAD, because other methods may become GET.
 */
function isRedirect(status: number, method: DocumentRequest['method']): boolean {
  const isRead = method === 'GET' || method === 'HEAD';
  return (isRead && [301, 302, 303].includes(status)) || status === 307 || status === 308;
}

function tooManyRedirects(base: URL): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `too many redirects from ${base.host} (more than ${MAX_REDIRECTS})`);
}

import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../../store/hosts.ts';
import { RequestError } from '../request-error.ts';

/** This file refuses requests that web pages of other sites send through the browser of a user. */

const hostGrammar = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

type RequestHeaders = Pick<IncomingMessage, 'headers' | 'rawHeaders'>;

/**
 * Checks the Host header. A registry that listens on loopback accepts only loopback names, so that a web page whose
 * host name resolves to 127.0.0.1 cannot access it (DNS rebinding).
 * @throws RequestError 400 if the Host header is missing, invalid or repeated, 421 if the registry listens on loopback
 *   and the header is not a loopback name
 */
export function checkHost({ headers: { host }, rawHeaders }: RequestHeaders, listensOnLoopback: boolean): void {
  const count = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host').length;
  if (host === undefined || count !== 1 || !hostGrammar.test(host)) {
    const message =
      count > 1
        ? 'the request has more than one Host header'
        : 'the Host header is missing or does not have the form HOST[:PORT]';
    throw new RequestError(400, { code: 'DENIED', message });
  }
  if (!listensOnLoopback || isLoopback(host.replace(/:\d+$/, ''))) return;
  throw new RequestError(421, {
    code: 'DENIED',
    message: `this registry listens on loopback and accepts only local names, such as localhost or 127.0.0.1: to use it as ${host}, start it on an address that other machines can reach`,
  });
}

/**
 * Refuses requests that have side effects and are sent by a page of another site. Such a page cannot read the response,
 * but the browser sends a simple POST without asking the registry first, and the POST would store a blob. Only browsers
 * send the headers that are checked.
 * @param readsFetch - whether reads also have side effects, because the registry fetches content from other registries.
 *   A read is still accepted if it is a navigation, for example because the user has followed a link
 * @throws RequestError 403 if a page of another site has sent the request
 */
export function checkOrigin({ method = '', headers }: IncomingMessage, readsFetch: boolean): void {
  const isRead = method === 'GET' || method === 'HEAD';
  if (isRead && (!readsFetch || headers['sec-fetch-dest'] === 'document')) return;
  const { origin, host = '', 'sec-fetch-site': site } = headers;
  const isForeign = origin !== undefined && !isSameHost(origin, host);
  if (!isForeign && (site === undefined || site === 'same-origin' || site === 'none')) return;
  throw new RequestError(403, {
    code: 'DENIED',
    message: 'web pages of other sites are not permitted to use this registry: send the request without a browser',
  });
}

/**
 * Whether an origin has the host and port of the request. The schemes may differ, because a proxy may have terminated
 * TLS.
 */
function isSameHost(origin: string, host: string): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  const [left, right] = [origin, `${scheme}${host}`].map((text) => (URL.canParse(text) ? new URL(text).host : ''));
  return scheme !== undefined && left !== '' && left === right;
}

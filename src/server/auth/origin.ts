import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../../store/hosts.ts';
import { RequestError } from '../request-error.ts';

/** Refuses requests that web pages of other sites send through the browser of a user. */

const hostGrammar = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/**
 * Checks the Host header. A registry that listens on loopback accepts only loopback names, so that a web page whose host
 * name resolves to 127.0.0.1 cannot access it (DNS rebinding).
 * @throws RequestError 400 for an invalid host, 421 for other names
 */
export function checkHost(host: string | undefined, listensOnLoopback: boolean): void {
  if (host === undefined || !hostGrammar.test(host)) {
    throw new RequestError(400, { code: 'DENIED', message: 'invalid Host header' });
  }
  if (!listensOnLoopback || isLoopback(host.replace(/:\d+$/, ''))) return;
  throw new RequestError(421, {
    code: 'DENIED',
    message: 'this registry listens on a loopback address: access it by a name of this machine, such as localhost',
  });
}

/**
 * Refuses requests with side effects that a browser sends for a page of another site. Such a page cannot read the response,
 * but a POST without unusual headers needs no permission, and would store a blob. Other clients send neither header.
 * @throws RequestError 403
 */
export function checkOrigin({ method = '', headers }: IncomingMessage): void {
  if (method === 'GET' || method === 'HEAD') return;
  const { origin, host = '', 'sec-fetch-site': site } = headers;
  const isForeign = origin !== undefined && !isSameHost(origin, host);
  if (!isForeign && (site === undefined || site === 'same-origin' || site === 'none')) return;
  throw new RequestError(403, { code: 'DENIED', message: 'pages of other sites must not change content' });
}

/** Compares host and port only, because a proxy in front of the registry may have ended TLS. */
function isSameHost(origin: string, host: string): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  const [left, right] = [origin, `${scheme}${host}`].map((text) => (URL.canParse(text) ? new URL(text).host : ''));
  return scheme !== undefined && left !== '' && left === right;
}

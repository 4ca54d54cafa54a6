import { contentSecurityPolicy, document, type PageContent } from '../../html/document.ts';
import { problemPage } from '../../html/problem-page.ts';
import { isDigest } from '../../oci/digest.ts';
import { isLoopback } from '../../store/hosts.ts';
import type { RequestError } from '../request-error.ts';
import { reply, type Headers, type ServerExchange } from '../server-exchange.ts';

/** Returns the Host header of the request, which is used as the registry host in references. */
export function hostOf({ request }: Pick<ServerExchange, 'request'>): string {
  return request.headers.host ?? '';
}

/**
 * Returns the URL path of the page for a repository, or for a tag or digest in it. The path needs no escaping, because
 * names, tags and digests contain only characters that are allowed in paths.
 */
export function hrefOf(name: string, reference?: string): string {
  if (reference === undefined) return `/-/repo/${name}`;
  return `/-/repo/${name}${isDigest(reference) ? '@' : ':'}${reference}`;
}

export function isEncrypted({ request }: Pick<ServerExchange, 'request'>): boolean {
  return 'encrypted' in request.socket;
}

export function isOnLoopback(exchange: Pick<ServerExchange, 'request'>): boolean {
  return isLoopback(hostOf(exchange).replace(/:\d+$/, ''));
}

type PageExchange = Pick<ServerExchange, 'request' | 'response'>;

/** Sends a page. Pages are not cached, because they may contain content of private repositories. */
export function replyPage(exchange: PageExchange, content: PageContent, status = 200, headers: Headers = {}): void {
  reply(
    exchange,
    status,
    {
      ...headers,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `${contentSecurityPolicy}; frame-ancestors 'none'`,
      'referrer-policy': 'no-referrer',
      // With plain HTTP, browsers ignore this header and print a warning, except on loopback.
      ...(isEncrypted(exchange) || isOnLoopback(exchange) ? { 'cross-origin-opener-policy': 'same-origin' } : {}),
      'cache-control': 'no-store',
    },
    document(content),
  );
}

/** Sends an error as an HTML page. */
export function replyErrorPage(exchange: PageExchange, { status, message, headers }: RequestError): void {
  const home = { text: hostOf(exchange), href: '/' };
  const heading = status === 404 ? 'Not found' : status === 401 ? 'Login required' : 'The page cannot be displayed';
  const sentence = `${message[0]?.toUpperCase() ?? ''}${message.slice(1)}.`;
  const text = status in advice ? `${sentence} ${advice[status]}` : sentence;
  replyPage(exchange, problemPage({ heading, message: text }, [home]), status, headers);
}

const advice: Readonly<Record<number, string>> = {
  401: 'Reload the page to log in.',
  403: 'Ask the operator of the registry for access, or log in as another user.',
  404: 'Check the address, or follow the link at the top to the list of repositories.',
};

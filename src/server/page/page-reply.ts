import { contentSecurityPolicy, document, type PageContent } from '../../html/document.ts';
import { problemPage } from '../../html/problem-page.ts';
import { isDigest } from '../../oci/digest.ts';
import { isLoopback } from '../../store/hosts.ts';
import type { RequestError } from '../request-error.ts';
import { reply, type Headers, type ServerExchange } from '../server-exchange.ts';

/** The host of the registry as in references. It is the Host header, which was checked before. */
export function hostOf({ request }: Pick<ServerExchange, 'request'>): string {
  return request.headers.host ?? '';
}

/**
 * The URL path of the page of a repository, or of a tag or a digest in it. It needs no escaping, because names, tags
 * and digests contain only characters that are allowed in paths.
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
      // Only for trustworthy origins, because browsers ignore this header for other ones and print a warning.
      ...(isEncrypted(exchange) || isOnLoopback(exchange) ? { 'cross-origin-opener-policy': 'same-origin' } : {}),
      'cache-control': 'no-store',
    },
    document(content),
  );
}

/** Sends an error as a page. */
export function replyErrorPage(exchange: PageExchange, { status, message, headers }: RequestError): void {
  const home = { text: hostOf(exchange), href: '/' };
  const heading = status === 404 ? 'Not found' : status === 401 ? 'Login required' : 'The page cannot be displayed';
  const sentence = `${message[0]?.toUpperCase() ?? ''}${message.slice(1)}.`;
  const text = status in advice ? `${sentence} ${advice[status]}` : sentence;
  replyPage(exchange, problemPage({ heading, message: text }, [home]), status, headers);
}

const advice: Readonly<Record<number, string>> = {
  401: 'Reload the page to log in.',
  403: 'Log in as another user, or ask for the right to read it.',
  404: 'Check the address, or choose the repository from the list at the top.',
  500: 'The log of the registry has the reason.',
};

import { isIPv4 } from 'node:net';
import { Refusal } from './refusal.ts';

const grammar = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** `localhost`, a name below it, or a literal of 127.0.0.0/8 or ::1; never by DNS. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return isIPv4(name) && name.startsWith('127.');
}

/**
 * A registry that listens on loopback only answers to loopback names only: a page in a browser whose own name leads to
 * 127.0.0.1 must not read or write it (DNS rebinding).
 * @throws Refusal 400 for what is no host, 421 for a stranger's name
 */
export function checkHost(host: string | undefined, listensOnLoopback: boolean): void {
  if (host === undefined || !grammar.test(host)) {
    throw new Refusal(400, { code: 'DENIED', message: 'the Host header is no host' });
  }
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (!listensOnLoopback || isLoopback(name)) return;
  throw new Refusal(421, { code: 'DENIED', message: 'this registry answers to loopback names only' });
}

import { isIP } from 'node:net';
import { MlistError } from '../../errors.ts';

/** Which addresses a registry may send its client to, and which hosts are this machine. */

/** The host that serves the API of a registry named in references. */
export function apiHost(domain: string): string {
  return domain === 'docker.io' ? 'registry-1.docker.io' : domain;
}

/** A literal 127.0.0.0/8 or ::1, `localhost` or `*.localhost`; DNS is never asked. */
export function isLoopback(hostname: string): boolean {
  const host = bare(hostname);
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

/** A literal address that is not of the public internet: private, loopback, link-local, unspecified, multicast. */
export function isInternal(hostname: string): boolean {
  const host = bare(hostname);
  if (isLoopback(host)) return true;
  if (isIP(host) === 4) return isInternal4(host);
  if (isIP(host) !== 6) return false;
  const mapped = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/.exec(host);
  if (mapped !== null) return isInternal4(mapped[1] ?? dotted(mapped[2] ?? '', mapped[3] ?? ''));
  return host === '::' || /^(?:f[cd]|fe[89ab]|ff)/.test(host);
}

function bare(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

function dotted(high: string, low: string): string {
  const [left, right] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [left >> 8, left & 255, right >> 8, right & 255].join('.');
}

function isInternal4(address: string): boolean {
  const [first = 0, second = 0] = address.split('.').map(Number);
  return (
    [0, 10, 127].includes(first) ||
    first >= 224 ||
    (first === 100 && second >= 64 && second < 128) ||
    (first === 169 && second === 254) ||
    (first === 172 && second >= 16 && second < 32) ||
    (first === 192 && second === 168)
  );
}

/** Scheme, host and effective port are equal. */
export function sameOrigin(left: URL, right: URL): boolean {
  return left.origin === right.origin;
}

/**
 * Checks an address that a registry sends its client to: a redirect, an upload location, a token realm, a next page.
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS`
 */
export function checkAddress(what: string, to: URL, registry: URL): void {
  const refuse = (reason: string) => {
    throw new MlistError(
      'ERR_MLIST_FORBIDDEN_ADDRESS',
      `${registry.host} sent a ${what} to ${to.protocol}//${to.host}, ${reason}`,
    );
  };
  if (to.protocol !== 'https:' && to.protocol !== 'http:') refuse('which is neither http nor https');
  if (to.username !== '' || to.password !== '') refuse('with a user name in it');
  if (sameOrigin(to, registry)) return;
  if (registry.protocol === 'https:' && to.protocol === 'http:') refuse('which is not encrypted');
  if (isInternal(to.hostname) && !isInternal(registry.hostname)) refuse('an address inside a private network');
}

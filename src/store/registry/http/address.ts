import { BlockList, isIP } from 'node:net';
import { MlistError } from '../../../errors/errors.ts';

/** Which addresses a registry may send its client to, and which hosts are this machine. */

/** The host that serves the API of a registry named in references. */
export function apiHost(domain: string): string {
  return domain === 'docker.io' ? 'registry-1.docker.io' : domain;
}

/** A literal 127.0.0.0/8 or ::1, `localhost` or `*.localhost`; DNS is never asked. */
export function isLoopback(hostname: string): boolean {
  const host = normalizeHost(hostname);
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

/** What is not of the public internet (IANA, special-purpose address registries); what IPv6 wraps of IPv4 counts too. */
const subnets: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
  ['::', 96],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

let blocked: BlockList | undefined;

/** Made when it is first needed, which for most commands is never: it takes longer than reading a file. */
function internal(): BlockList {
  if (blocked !== undefined) return blocked;
  blocked = new BlockList();
  for (const [network, bits] of subnets) blocked.addSubnet(network, bits, isIP(network) === 4 ? 'ipv4' : 'ipv6');
  return blocked;
}

/** A literal address that is not of the public internet: private, loopback, link-local, unspecified, multicast. */
export function isPrivateAddress(hostname: string): boolean {
  const host = normalizeHost(hostname);
  const family = isIP(host);
  return isLoopback(host) || (family !== 0 && internal().check(host, family === 4 ? 'ipv4' : 'ipv6'));
}

function normalizeHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

/** Scheme, host and effective port are equal. */
export function sameOrigin(left: URL, right: URL): boolean {
  return left.origin === right.origin;
}

/**
 * Checks an address that a registry sends its client to: a redirect, an upload location, a token realm, a next page.
 * @param what - with its article, for the error
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS`
 */
export function checkAddress(what: string, to: URL, registry: URL): void {
  const refuse = (reason: string) => {
    throw new MlistError(
      'ERR_MLIST_FORBIDDEN_ADDRESS',
      `${registry.host} sent ${what} to ${to.protocol}//${to.host}, ${reason}`,
    );
  };
  if (to.protocol !== 'https:' && to.protocol !== 'http:') refuse('which is neither http nor https');
  if (to.username !== '' || to.password !== '') refuse('with a user name in it');
  if (sameOrigin(to, registry)) return;
  if (registry.protocol === 'https:' && to.protocol === 'http:') refuse('which is not encrypted');
  if (isPrivateAddress(to.hostname) && !isPrivateAddress(registry.hostname))
    refuse('an address inside a private network');
}

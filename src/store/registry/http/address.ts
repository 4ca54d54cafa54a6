import { BlockList, isIP } from 'node:net';
import { MlistError } from '../../../errors/errors.ts';

/** Classifies hosts, and checks the addresses that a registry sends. */

/** The host that serves the API of a registry, which references name by its domain. */
export function apiHost(domain: string): string {
  return domain === 'docker.io' ? 'registry-1.docker.io' : domain;
}

/**
 * The URL of a path of the API, such as `/v2/NAME/tags/list?n=1000`.
 * @param base - the address of the API, `https://HOST/v2`. A mirror may have another path in place of `/v2`, and a query for
 *   all requests
 */
export function apiUrl(path: string, base: URL): URL {
  const url = new URL(path, base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}${url.pathname.slice('/v2'.length)}`;
  for (const [name, value] of base.searchParams) url.searchParams.set(name, value);
  return url;
}

/** Whether a host is 127.0.0.0/8, ::1, `localhost` or `*.localhost`. Names are not resolved. */
export function isLoopback(hostname: string): boolean {
  const host = normalizeHost(hostname);
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

/** Networks outside the public internet (IANA special-purpose address registries), and IPv6 addresses that contain IPv4 ones. */
const privateNetworks: readonly (readonly [string, number])[] = [
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

let privateList: BlockList | undefined;

/** Created on first use: it is slow, and most commands do not need it. */
function privateBlockList(): BlockList {
  if (privateList !== undefined) return privateList;
  privateList = new BlockList();
  for (const [network, bits] of privateNetworks)
    privateList.addSubnet(network, bits, isIP(network) === 4 ? 'ipv4' : 'ipv6');
  return privateList;
}

/** Whether a host is an IP address outside the public internet, such as a private, loopback or link-local one. */
function isPrivateAddress(hostname: string): boolean {
  const host = normalizeHost(hostname);
  const family = isIP(host);
  return isLoopback(host) || (family !== 0 && privateBlockList().check(host, family === 4 ? 'ipv4' : 'ipv6'));
}

/** Lower case, without the brackets of IPv6 addresses and without the dot at the end. */
function normalizeHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

/** Whether scheme, host and effective port are equal. */
export function sameOrigin(left: URL, right: URL): boolean {
  return left.origin === right.origin;
}

/**
 * Checks an address that a registry sends: of a redirect, an upload location or a token realm.
 * @param what - with its article, for the error
 * @param to - the address
 * @param registry - the address that sent it
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

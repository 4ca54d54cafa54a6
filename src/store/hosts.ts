import { BlockList, isIP } from 'node:net';

/** This module classifies hosts by their names and addresses. Hosts have the form of `URL.hostname`. */

/** Whether a host is `localhost`, `*.localhost` or a loopback address (127.0.0.0/8, ::1). Names are not resolved. */
export function isLoopback(hostname: string): boolean {
  const host = normalizeHost(hostname);
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

/**
 * Networks outside the public internet (IANA special-purpose address registries), and IPv6 networks whose addresses
 * contain IPv4 addresses.
 */
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

/** Returns the block list of the private networks. It is created on first use, because its creation is slow. */
function privateBlockList(): BlockList {
  if (privateList !== undefined) return privateList;
  privateList = new BlockList();
  for (const [network, bits] of privateNetworks)
    privateList.addSubnet(network, bits, isIP(network) === 4 ? 'ipv4' : 'ipv6');
  return privateList;
}

/**
 * Whether a host is `localhost`, `*.localhost` or an IP address outside the public internet, such as a private,
 * loopback or link-local address. Names are not resolved.
 */
export function isPrivateAddress(hostname: string): boolean {
  const host = normalizeHost(hostname);
  const family = isIP(host);
  return isLoopback(host) || (family !== 0 && privateBlockList().check(host, family === 4 ? 'ipv4' : 'ipv6'));
}

/** Returns the host in lower case, without the brackets of an IPv6 address and without a dot at the end. */
function normalizeHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

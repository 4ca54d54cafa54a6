import { BlockList, isIP } from 'node:net';
import { isJsonObject, type Json } from '../../../json/json.ts';
import { readJson } from '../../../json/parse.ts';
import { invalidConfiguration, lineAt, parseMirrorAddress, type MirrorAddress } from './mirror-endpoint.ts';

/** The settings of Docker's daemon.json that mlist uses. */
export interface DaemonConfiguration {
  readonly path: string;
  /** Mirrors of docker.io. */
  readonly mirrors: readonly MirrorAddress[];
  /** Registries, as `HOST[:PORT]`, that may be accessed over plain http or with an unverified certificate. */
  readonly insecureHosts: readonly string[];
  /** Networks, such as `10.0.0.0/8`, whose registries may be accessed in the same way as `insecureHosts`. */
  readonly insecureNetworks: BlockList;
  readonly hasNetworks: boolean;
}

/**
 * Parses a daemon.json.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if the content is invalid
 */
export function parseDaemonJson(bytes: Uint8Array, path: string): DaemonConfiguration {
  const text = Buffer.from(bytes).toString('utf8');
  const { value, problems } = readJson(text.trim() === '' ? Buffer.from('{}') : bytes);
  const [problem] = problems;
  if (problem !== undefined) throw invalidConfiguration(path, lineOfProblem(problem.message, text), problem.message);
  if (!isJsonObject(value)) throw invalidConfiguration(path, 1, 'it is not a JSON object');
  const lineOf = (name: string) => lineAt(text, Math.max(0, text.indexOf(JSON.stringify(name))));
  const texts = (name: string) =>
    textsIn(value[name], () => invalidConfiguration(path, lineOf(name), `${name} must be an array of strings`));
  const mirrors = texts('registry-mirrors').map((mirror) => {
    const address = parseMirrorAddress(mirror);
    if (typeof address !== 'string') return address;
    throw invalidConfiguration(path, lineOf('registry-mirrors'), address);
  });
  const insecure = texts('insecure-registries').map((name) => name.replace(/^https?:\/\//, ''));
  const networks = insecure.filter((name) => name.includes('/'));
  const insecureNetworks = new BlockList();
  for (const network of networks) {
    if (!addNetwork(insecureNetworks, network))
      throw invalidConfiguration(
        path,
        lineOf('insecure-registries'),
        `${JSON.stringify(network)} is not a network in CIDR notation, such as 10.0.0.0/8`,
      );
  }
  const insecureHosts = insecure.filter((name) => !name.includes('/'));
  return { path, mirrors, insecureHosts, insecureNetworks, hasNetworks: networks.length > 0 };
}

function textsIn(value: Json | undefined, error: () => Error): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw error();
}

function addNetwork(list: BlockList, network: string): boolean {
  const [, address = '', bits = ''] = /^(.+)\/(\d{1,3})$/.exec(network) ?? [];
  const family = isIP(address);
  if (family === 0 || Number(bits) > (family === 4 ? 32 : 128)) return false;
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return true;
}

/**
 * Returns the line of a syntax error, from the position in the message of the JSON parser; undefined if the message has
 * no position.
 */
function lineOfProblem(message: string, text: string): number | undefined {
  const character = /at character (\d+)$/.exec(message)?.[1];
  return character === undefined ? undefined : lineAt(text, Number(character) - 1);
}

/**
 * Whether a registry is one of `insecure-registries`. If these include networks, the host name is resolved, and its
 * addresses are compared with the networks.
 * @param addressesOf - resolves a host name
 */
export async function isInsecureRegistry(
  { insecureHosts, insecureNetworks, hasNetworks }: DaemonConfiguration,
  domain: string,
  addressesOf: (host: string) => Promise<readonly string[]>,
): Promise<boolean> {
  if (insecureHosts.includes(domain)) return true;
  if (!hasNetworks) return false;
  const host = new URL(`http://${domain}`).hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) === 0 ? await addressesOf(host) : [host];
  return addresses.some((address) => insecureNetworks.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6'));
}

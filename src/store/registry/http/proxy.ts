import { BlockList, isIP } from 'node:net';
import { MlistError } from '../../../errors/errors.ts';
import { variable, type Environment } from '../credentials/environment.ts';
import { isLoopback } from './address.ts';

/**
 * Which proxy stands between this machine and a host: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or in lower case, read
 * as Go's golang.org/x/net/http/httpproxy reads them, since that is what the other tools of registries do.
 */
export interface Proxy {
  readonly url: URL;
  /** `Proxy-Authorization`, where the address holds a login. Secret. */
  readonly authorization: string | undefined;
  /** The password of that login, and the header's value. */
  readonly secrets: readonly string[];
}

export type ProxyFor = (url: URL) => Proxy | undefined;

/** @throws MlistError `ERR_MLIST_USAGE` where a variable holds no address of a proxy */
export function proxiesOf(env: Environment): ProxyFor {
  const [plain, secure] = ['HTTP_PROXY', 'HTTPS_PROXY'].map((name) => proxyNamed(name, env));
  const exceptions = exceptionsOf(setting(env, 'NO_PROXY') ?? '');
  return (url) => {
    const proxy = url.protocol === 'https:' ? secure : plain;
    if (proxy === undefined || isLoopback(url.hostname) || exceptions(url)) return undefined;
    return proxy;
  };
}

/** A web server's script has HTTP_PROXY set by whoever sends it a `Proxy:` header (CVE-2016-5385). */
function setting(env: Environment, name: string): string | undefined {
  const isFromWeb = name === 'HTTP_PROXY' && env['REQUEST_METHOD'] !== undefined;
  return (isFromWeb ? undefined : variable(env, name)) ?? variable(env, name.toLowerCase());
}

function proxyNamed(name: string, env: Environment): Proxy | undefined {
  const value = setting(env, name);
  if (value === undefined) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const login = url === undefined ? undefined : loginOf(url);
  if (url === undefined || login === undefined || !['http:', 'https:'].includes(url.protocol)) {
    // The address may hold a password: it is not shown.
    throw new MlistError('ERR_MLIST_USAGE', `${name} holds no address of an http or https proxy`, {
      hint: 'Write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with a login that is percent-encoded.',
    });
  }
  const { username, password } = login;
  const encoded = Buffer.from(`${username}:${password}`).toString('base64');
  const hasLogin = username !== '' || password !== '';
  return {
    url: new URL(`${url.protocol}//${url.host}`),
    authorization: hasLogin ? `Basic ${encoded}` : undefined,
    secrets: hasLogin ? [password, encoded] : [],
  };
}

/** Undefined where the user info is not percent-encoded UTF-8. */
function loginOf({ username, password }: URL): { readonly username: string; readonly password: string } | undefined {
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
}

/** Hosts that are reached directly: names with what is below them, addresses, networks (CIDR), each also with a port; `*`. */
function exceptionsOf(text: string): (url: URL) => boolean {
  const items = text
    .split(/[\s,]+/)
    .filter((item) => item !== '')
    .map((item) => item.toLowerCase());
  if (items.includes('*')) return () => true;
  const networks = new BlockList();
  const tests = items.map((item) => exception(item, networks)).filter((test) => test !== undefined);
  return (url) => {
    const { host, port } = hostAndPort(url);
    const family = isIP(host);
    if (family !== 0 && networks.check(host, family === 4 ? 'ipv4' : 'ipv6')) return true;
    return tests.some((test) => test(host, port));
  };
}

type Test = (host: string, port: string) => boolean;

function exception(item: string, networks: BlockList): Test | undefined {
  const [, network = '', bits] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(item) ?? [];
  const family = isIP(network);
  if (family !== 0 && Number(bits) <= (family === 4 ? 32 : 128)) {
    networks.addSubnet(network, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
    return undefined;
  }
  if (isIP(item) !== 0) return (host) => host === canonical(item);
  const [, bracketed, plain = '', port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/]+))(?::(\d+))?$/.exec(item) ?? [];
  const name = bracketed ?? plain.replace(/\.$/, '');
  if (name === '') return undefined;
  const samePort: (given: string) => boolean = (given) => port === undefined || given === port;
  if (isIP(name) !== 0) return (host, given) => host === canonical(name) && samePort(given);
  const suffix = `.${name.replace(/^\*?\./, '')}`;
  const isBelowOnly = /^\*?\./.test(name);
  return (host, given) => samePort(given) && (host.endsWith(suffix) || (!isBelowOnly && host === name));
}

function hostAndPort({ hostname, port, protocol }: URL): { readonly host: string; readonly port: string } {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  return { host, port: port === '' ? (protocol === 'https:' ? '443' : '80') : port };
}

/** An address as URLs write it, so that two spellings of one compare. */
function canonical(address: string): string {
  if (isIP(address) !== 6) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import { errorMessage, MlistError } from '../../../errors/errors.ts';
import { variable, type Environment } from '../../environment.ts';
import { isLoopback } from '../../hosts.ts';
import { hostAndPort, HostFailure, timeoutError, type HostAndPort } from './connect.ts';

/** The proxy for the requests to a host. */
export interface Proxy {
  readonly url: URL;
  /** The `Proxy-Authorization` header; undefined if the configured URL has no credentials. Secret. */
  readonly authorization: string | undefined;
  /** Secrets that must not appear in messages: the password, and the encoded credentials in the header. */
  readonly secrets: readonly string[];
}

export type ProxyFor = (url: URL) => Proxy | undefined;

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, also in lower case, and returns a function that returns the proxy
 * for a URL. Follows the rules of golang.org/x/net/http/httpproxy, because registry clients in Go use it.
 * @throws MlistError `ERR_MLIST_USAGE` if the value of `HTTPS_PROXY` or `HTTP_PROXY` is not the address of a proxy
 */
export function proxiesOf(env: Environment): ProxyFor {
  const [httpProxy, httpsProxy] = ['HTTP_PROXY', 'HTTPS_PROXY'].map((name) => proxyIn(name, env));
  const isException = parseNoProxy(setting(env, 'NO_PROXY') ?? '');
  return (url) => {
    const proxy = url.protocol === 'https:' ? httpsProxy : httpProxy;
    if (proxy === undefined || isLoopback(url.hostname) || isException(url)) return undefined;
    return proxy;
  };
}

/** An environment variable that configures proxies, without the credentials in it. */
export interface ProxyVariable {
  readonly name: 'HTTP_PROXY' | 'HTTPS_PROXY' | 'NO_PROXY';
  /** The origin of the proxy, or the value of NO_PROXY. Undefined if the variable is invalid. */
  readonly value?: string | undefined;
  readonly hasLogin: boolean;
  /** The error message if the variable is invalid. */
  readonly problem?: string | undefined;
}

/** Returns the proxy variables that are set. */
export function proxyVariables(env: Environment): readonly ProxyVariable[] {
  const proxies = (['HTTP_PROXY', 'HTTPS_PROXY'] as const).flatMap((name): readonly ProxyVariable[] => {
    try {
      const proxy = proxyIn(name, env);
      return proxy === undefined
        ? []
        : [{ name, value: proxy.url.origin, hasLogin: proxy.authorization !== undefined }];
    } catch (thrown) {
      return [{ name, hasLogin: false, problem: errorMessage(thrown) }];
    }
  });
  const exceptions = setting(env, 'NO_PROXY');
  return exceptions === undefined ? proxies : [...proxies, { name: 'NO_PROXY', value: exceptions, hasLogin: false }];
}

/**
 * Returns the value of a variable whose name is in upper or lower case. `HTTP_PROXY` is ignored in a CGI script, where
 * any client can set it with a `Proxy:` header (CVE-2016-5385).
 */
function setting(env: Environment, name: string): string | undefined {
  const isCgi = name === 'HTTP_PROXY' && env['REQUEST_METHOD'] !== undefined;
  return (isCgi ? undefined : variable(env, name)) ?? variable(env, name.toLowerCase());
}

function proxyIn(name: string, env: Environment): Proxy | undefined {
  const value = setting(env, name);
  if (value === undefined) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const login = url === undefined ? undefined : decodeLogin(url);
  if (url === undefined || login === undefined || !['http:', 'https:'].includes(url.protocol)) {
    // The value may contain a password, so the message does not quote it.
    throw new MlistError('ERR_MLIST_USAGE', `${name} must be the address of an http or https proxy`, {
      hint: 'Use http://HOST:PORT or http://USER:PASSWORD@HOST:PORT. Percent-encode the user name and the password.',
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

/** Returns the user name and password of a URL, or undefined if they are not valid percent-encoded UTF-8. */
function decodeLogin({
  username,
  password,
}: URL): { readonly username: string; readonly password: string } | undefined {
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
}

/**
 * Parses NO_PROXY. Returns a function that reports whether a URL is accessed without a proxy. An item is `*`, a domain
 * (with its subdomains), an IP address or a network (CIDR). Domains and addresses may have a port.
 */
function parseNoProxy(text: string): (url: URL) => boolean {
  const items = text
    .split(/[\s,]+/)
    .filter((item) => item !== '')
    .map((item) => item.toLowerCase());
  if (items.includes('*')) return () => true;
  const networks = new BlockList();
  const matchers = items.map((item) => parseNoProxyItem(item, networks)).filter((matcher) => matcher !== undefined);
  return (url) => {
    const target = hostAndPort(url);
    const host = target.host.replace(/\.$/, '');
    const family = isIP(host);
    if (family !== 0 && networks.check(host, family === 4 ? 'ipv4' : 'ipv6')) return true;
    return matchers.some((matches) => matches(host, String(target.port)));
  };
}

type HostMatcher = (host: string, port: string) => boolean;

/** Adds a network to `networks`, or returns a matcher for a domain or an address. Ignores invalid items. */
function parseNoProxyItem(item: string, networks: BlockList): HostMatcher | undefined {
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
  const isPort: (requested: string) => boolean = (requested) => port === undefined || requested === port;
  if (isIP(name) !== 0) return (host, requested) => host === canonical(name) && isPort(requested);
  const suffix = `.${name.replace(/^\*?\./, '')}`;
  const onlySubdomains = /^\*?\./.test(name);
  return (host, requested) => isPort(requested) && (host.endsWith(suffix) || (!onlySubdomains && host === name));
}

/** Converts an IP address to the notation of URLs, in which equal addresses are equal strings. */
function canonical(address: string): string {
  if (isIP(address) !== 6) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** Thrown if the connection to a proxy fails, as opposed to the connection to the host behind it. */
export class ProxyFailure extends HostFailure {}

/**
 * Opens a tunnel through a proxy with CONNECT (RFC 9110 section 9.3.6).
 * @param socket - the connection to the proxy
 * @returns the connection to the target
 * @throws MlistError `ERR_MLIST_NETWORK` if the proxy refuses the tunnel; Error with the code `EPROXY` if it responds
 * with 5xx; Error with Node's code if the connection to it fails, or `ETIMEDOUT` after `timeoutMs`
 */
export async function openTunnel(
  socket: Socket,
  { host, port }: HostAndPort,
  proxy: Proxy,
  timeoutMs: number,
): Promise<Socket> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const login = proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization };
  const headers = { host: target, ...login };
  const request = requestHttp({ method: 'CONNECT', path: target, headers, createConnection: () => socket });
  const tunnel = await connectResponse(request, timeoutMs);
  if (tunnel.response.statusCode === 200) return tunnel.socket;
  tunnel.socket.destroy();
  throw refusedTunnel(proxy, target, tunnel.response.statusCode ?? 0);
}

interface ConnectResponse {
  readonly response: IncomingMessage;
  readonly socket: Socket;
}

function connectResponse(request: ClientRequest, timeoutMs: number): Promise<ConnectResponse> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(timeoutError('the response of the proxy to CONNECT')), timeoutMs);
    request.once('connect', (response: IncomingMessage, socket: Socket, head: Buffer) => {
      clearTimeout(timer);
      if (head.length > 0) socket.unshift(head);
      resolve({ response, socket });
    });
    request.once('response', (response) => {
      clearTimeout(timer);
      resolve({ response, socket: response.socket });
    });
    request.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.end();
  });
}

function refusedTunnel(proxy: Proxy, target: string, status: number): Error {
  const message = `the proxy ${proxy.url.host} did not connect to ${target} (HTTP ${status})`;
  if (status >= 500) return Object.assign(new Error(message), { code: 'EPROXY' });
  return new MlistError('ERR_MLIST_NETWORK', message, {
    status,
    hint:
      status === 407
        ? 'The proxy requires a valid login: set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT.'
        : 'To connect to this host without the proxy, add the host to NO_PROXY.',
  });
}

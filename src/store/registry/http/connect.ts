import { request as requestHttp, type IncomingMessage } from 'node:http';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type SecureContext } from 'node:tls';
import { errorCode, MlistError } from '../../../errors/errors.ts';
import { isLoopback } from './address.ts';
import type { Proxy } from './proxy.ts';
import type { HostTrust } from './tls.ts';

/** Opening a connection: directly or through a proxy, with TLS or without. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly trust: HostTrust | undefined;
  /** A proxy that is asked for a tunnel to the host; without TLS, the proxy itself is what is connected to. */
  readonly proxy: Proxy | undefined;
  /** How the proxy itself is trusted, where it is spoken to over TLS. */
  readonly proxyTrust: HostTrust | undefined;
  readonly timeoutMs: number;
}

/** @throws Error with Node's code, `ETIMEDOUT`, or an MlistError where a proxy refuses */
export async function connect(destination: Destination): Promise<Socket> {
  const { host, trust, timeoutMs } = destination;
  if (trust === undefined) return plainSocket(destination);
  const { verify } = trust;
  const secure = async (context: SecureContext) =>
    secured(await tunnelled(destination), { host, verify, context, timeoutMs });
  try {
    return await secure(trust.context);
  } catch (thrown) {
    const wider = unknownAuthority.has(errorCode(thrown) ?? '') ? trust.withSystemRoots() : undefined;
    if (wider === undefined) throw thrown;
    return secure(wider);
  }
}

/** What a certificate fails with whose authority is not known. */
const unknownAuthority = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

/** Names of this machine are not asked of a name service, which may not know them, or say otherwise (RFC 6761, 6.3). */
const loopbackLookup: LookupFunction = (_host, { all = false }, found) => {
  const addresses = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ];
  if (all) found(null, addresses);
  else found(null, '127.0.0.1', 4);
};

/** To the host itself, or to what stands before it. */
async function plainSocket(destination: Destination): Promise<Socket> {
  const { host, port, proxy, proxyTrust, timeoutMs } = destination;
  const to = proxy === undefined ? { host, port } : hostAndPort(proxy.url);
  const local = isLoopback(to.host) && isIP(to.host) === 0 ? { lookup: loopbackLookup } : {};
  const options = { ...to, ...local, noDelay: true, keepAlive: true };
  const socket = await opened(connectTcp(options), 'connect', timeoutMs);
  if (proxyTrust === undefined) return socket;
  const { verify, context } = proxyTrust;
  return secured(socket, { host: to.host, verify, context, timeoutMs });
}

/** A connection to the host, through a tunnel where there is a proxy (RFC 9110 section 9.3.6). */
async function tunnelled(destination: Destination): Promise<Socket> {
  const { host, port, proxy, timeoutMs } = destination;
  const outer = await plainSocket(destination);
  if (proxy === undefined) return outer;
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const login = proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization };
  const headers = { host: target, ...login };
  const request = requestHttp({ method: 'CONNECT', path: target, headers, createConnection: () => outer });
  const { response, socket } = await connected(request, timeoutMs);
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw refused(proxy, target, response.statusCode ?? 0);
}

interface Connected {
  readonly response: IncomingMessage;
  readonly socket: Socket;
}

function connected(request: ReturnType<typeof requestHttp>, timeoutMs: number): Promise<Connected> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(timeoutError('the proxy')), timeoutMs);
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

function refused(proxy: Proxy, target: string, status: number): Error {
  const message = `the proxy ${proxy.url.host} does not connect to ${target} (HTTP ${status})`;
  if (status >= 500) return Object.assign(new Error(message), { code: 'EPROXY' });
  return new MlistError('ERR_MLIST_NETWORK', message, {
    status,
    hint:
      status === 407
        ? 'The proxy wants a login: http://USER:PASSWORD@HOST:PORT in HTTPS_PROXY.'
        : 'NO_PROXY names the hosts that are reached without it.',
  });
}

interface Security {
  readonly host: string;
  readonly verify: boolean;
  readonly context: SecureContext;
  readonly timeoutMs: number;
}

/**
 * Read ahead of who takes it. Records of TLS are small, and what has come meanwhile is handed over in one piece: a large body
 * takes fewer steps.
 */
const AHEAD_BYTES = 128 * 1024;

function secured(socket: Socket, { host, verify, context, timeoutMs }: Security): Promise<Socket> {
  // Node documents highWaterMark; its types for version 20 leave it out.
  const options: ConnectionOptions & { readonly highWaterMark: number } = {
    socket,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: context,
    rejectUnauthorized: verify,
    ALPNProtocols: ['http/1.1'],
    highWaterMark: AHEAD_BYTES,
  };
  return opened(connectTls(options), 'secureConnect', timeoutMs);
}

function opened(socket: Socket, event: 'connect' | 'secureConnect', timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(timeoutError(event)), timeoutMs);
    const onClose = () => onError(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }));
    const onError = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once(event, () => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.off('close', onClose);
      resolve(socket);
    });
  });
}

function timeoutError(what: string): Error {
  return Object.assign(new Error(`no answer while waiting for ${what}`), { code: 'ETIMEDOUT' });
}

function hostAndPort({ hostname, port, protocol }: URL): { readonly host: string; readonly port: number } {
  const standard = protocol === 'https:' ? 443 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? standard : Number(port) };
}

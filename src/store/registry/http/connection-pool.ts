import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect as openSocket, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { MlistError } from '../../../errors/errors.ts';
import type { SecretRedactor } from '../../../errors/redact.ts';
import { connectTcp, hostAndPort, opened, tcpOptions, type ConnectOptions, type HostAndPort } from './connect.ts';
import { Http2Connection } from './http2/http2-connection.ts';
import { openTunnel, proxiesOf, ProxyFailure, type Proxy, type ProxyFor } from './proxy.ts';
import { withReceiveBuffer } from './receive-buffer.ts';
import { certificateOf, connectDirectTls, connectTls, type ServerCertificate, type TlsOptions } from './tls.ts';
import { TrustStore, type HostTrust, type TrustOptions } from './trust-store.ts';
import type { Environment } from '../../environment.ts';

/** The connections and settings for requests to one origin. */
export interface Route {
  /** Agents that keep connections open for later requests. */
  readonly agents: { readonly http?: HttpAgent; readonly https?: HttpsAgent };
  /**
   * The HTTP/2 connection for documents, used if the server chooses HTTP/2. Undefined for http URLs, or if HTTP/2 is
   * switched off.
   */
  readonly http2?: Http2Connection | undefined;
  /**
   * Whether a proxy forwards the requests, which then need the absolute URL in the request line (RFC 9112 section
   * 3.2.2).
   */
  readonly absolute: boolean;
  /** Headers for a proxy that forwards the requests. Secret. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ConnectionPoolOptions extends TrustOptions {
  /** Environment variables, which configure proxies. */
  readonly env: Environment;
  readonly timeoutMs: number;
  /** Whether HTTP/2 is switched off. Default false. */
  readonly http1?: boolean | undefined;
  /** Receives the passwords of proxies, so that they are redacted in messages. */
  readonly secrets: SecretRedactor;
}

/**
 * Opens connections and reuses them. Trusted certificates, client certificates and proxies depend on the host of a
 * connection, not on the registry that redirected to this host. The pool does not limit concurrent requests, because an
 * upload would be blocked if the download that supplies its bytes had to wait for a connection.
 */
export class ConnectionPool {
  readonly trust: TrustStore;
  readonly #options: ConnectionPoolOptions;
  readonly #routes = new Map<string, Route>();
  /** All sockets that are open or being opened. */
  readonly #sockets = new Set<Socket>();
  #isClosed = false;
  #proxies: ProxyFor | undefined;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
    this.trust = new TrustStore(options);
  }

  /**
   * Returns the route to the origin of a URL, and creates it on first use.
   * @param isUnverified - whether to skip the verification of the certificate. Default false
   * @throws MlistError if the proxy settings or the certificates are invalid
   */
  async route(url: URL, isUnverified = false): Promise<Route> {
    const key = isUnverified ? `unverified ${url.origin}` : url.origin;
    const known = this.#routes.get(key);
    if (known !== undefined) return known;
    const destination = await this.#destination(url, isUnverified);
    // Another request may have created the route while this one waited for the certificates.
    const route = this.#routes.get(key) ?? this.#createRoute(destination);
    this.#routes.set(key, route);
    return route;
  }

  /**
   * Returns the certificate that a host presents, without verifying it.
   * @throws MlistError if the proxy settings or the certificates are invalid; Error if the connection fails
   */
  async certificate(url: URL): Promise<ServerCertificate> {
    return certificateOf(await connect(await this.#destination(url, true), HTTP1));
  }

  /** Closes all connections, including those that are being opened. Requests in progress fail. */
  close(): void {
    this.#isClosed = true;
    for (const { agents, http2 } of this.#routes.values()) {
      http2?.close();
      agents.http?.destroy();
      agents.https?.destroy();
    }
    for (const socket of this.#sockets) socket.destroy();
    this.#routes.clear();
  }

  async #destination(url: URL, isUnverified: boolean): Promise<Destination> {
    this.#proxies ??= proxiesOf(this.#options.env);
    const proxy = this.#proxies(url);
    this.#options.secrets.add(...(proxy?.secrets ?? []));
    const trust = url.protocol === 'https:' ? await this.trust.forHost(url) : undefined;
    return {
      ...hostAndPort(url),
      origin: url.origin,
      trust: trust !== undefined && isUnverified ? { ...trust, verify: false } : trust,
      proxy,
      proxyTrust: proxy?.url.protocol === 'https:' ? await this.trust.forHost(proxy.url) : undefined,
      connectOptions: { timeoutMs: this.#options.timeoutMs, onSocket: (socket) => this.#track(socket) },
    };
  }

  #createRoute(destination: Destination): Route {
    const { proxy, origin, connectOptions } = destination;
    const isSecure = destination.trust !== undefined;
    const open = (protocols: readonly string[]) => connect(destination, protocols);
    const http2 =
      isSecure && this.#options.http1 !== true
        ? new Http2Connection({ origin, timeoutMs: connectOptions.timeoutMs, open: () => open(['h2', ...HTTP1]) })
        : undefined;
    const openHttp1 = async () => http2?.takeSpare() ?? (await open(HTTP1));
    const agents = isSecure
      ? { https: withConnect(new HttpsAgent(agentOptions), openHttp1) }
      : { http: withConnect(new HttpAgent(agentOptions), openHttp1) };
    const absolute = !isSecure && proxy !== undefined;
    const login = absolute && proxy.authorization !== undefined ? { 'proxy-authorization': proxy.authorization } : {};
    return { agents, http2, absolute, headers: login };
  }

  /**
   * Registers a socket, so that `close` can destroy it. The `destroy` method of an agent does not close connections that
   * are still being opened, and these would keep the process alive.
   */
  #track(socket: Socket): void {
    if (this.#isClosed) socket.destroy();
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

interface Destination extends HostAndPort {
  readonly origin: string;
  /** The trust settings for the host; undefined for http. */
  readonly trust: HostTrust | undefined;
  /** The proxy, which opens a tunnel to the host for https, and forwards the requests for http. */
  readonly proxy: Proxy | undefined;
  /** The trust settings for the proxy; undefined if its address is not https. */
  readonly proxyTrust: HostTrust | undefined;
  readonly connectOptions: ConnectOptions;
}

/** The ALPN protocols of a connection that does not use HTTP/2. */
const HTTP1 = ['http/1.1'];

/**
 * Opens a connection, directly or through a proxy.
 * @param protocols - the ALPN protocols from which the server may choose
 * @throws Error with Node's code or `ETIMEDOUT` if the connection to the host fails; ProxyFailure if the connection to
 * the proxy fails; MlistError if the proxy refuses the tunnel
 */
function connect(destination: Destination, protocols: readonly string[]): Promise<Socket> {
  const { host, trust, proxy, connectOptions } = destination;
  if (proxy === undefined) return connectDirectly(destination, protocols);
  if (trust === undefined) return fromProxy(proxy, () => connectToProxy(destination, proxy));
  return secured({ trust, host, protocols, ...connectOptions }, (onSent) =>
    fromProxy(proxy, async () =>
      openTunnel(await connectToProxy(destination, proxy, onSent), destination, proxy, connectOptions.timeoutMs),
    ),
  );
}

async function fromProxy(proxy: Proxy, open: () => Promise<Socket>): Promise<Socket> {
  try {
    return await open();
  } catch (thrown) {
    throw thrown instanceof MlistError ? thrown : new ProxyFailure(proxy.url, thrown);
  }
}

function connectDirectly(destination: Destination, protocols: readonly string[]): Promise<Socket> {
  const { host, trust, connectOptions } = destination;
  if (trust === undefined) {
    const socket = withReceiveBuffer((onread) => openSocket({ ...tcpOptions(destination), onread }));
    return opened(socket, 'connect', connectOptions);
  }
  if (protocols.includes('h2'))
    return secured({ trust, host, protocols, ...connectOptions }, (onSent) =>
      connectTcp(destination, connectOptions, onSent),
    );
  const { verify, contexts, key } = trust;
  return contexts.handshake(key, (createContext) =>
    connectDirectTls(destination, { host, verify, context: createContext(), protocols, ...connectOptions }),
  );
}

function connectToProxy(
  { proxyTrust, connectOptions }: Destination,
  { url }: Proxy,
  onSent?: () => void,
): Promise<Socket> {
  const address = hostAndPort(url);
  if (proxyTrust === undefined) return connectTcp(address, connectOptions, onSent);
  const { host } = address;
  return secured({ trust: proxyTrust, host, protocols: HTTP1, ...connectOptions }, (sent) =>
    connectTcp(address, connectOptions, sent),
  );
}

interface Handshake extends Omit<TlsOptions, 'verify' | 'context'> {
  readonly trust: HostTrust;
}

/**
 * Opens a connection and starts TLS on it. If other CA certificates are needed to verify the certificate of the server,
 * this is repeated on a new connection. Parsing CA certificates takes up to 50 ms, so it happens while a connection is
 * being opened.
 */
function secured({ trust, ...options }: Handshake, open: (onSent: () => void) => Promise<Socket>): Promise<Socket> {
  const { verify, contexts, key } = trust;
  return contexts.handshake(key, async (createContext) => {
    let creating: Promise<SecureContext> | undefined;
    const context = () => (creating ??= Promise.resolve().then(createContext));
    const socket = await open(() => void context().catch(() => undefined));
    try {
      return await connectTls(socket, { ...options, verify, context: await context() });
    } catch (thrown) {
      socket.destroy();
      throw thrown;
    }
  });
}

const agentOptions: AgentOptions = { keepAlive: true, scheduling: 'lifo', maxFreeSockets: 256 };

/** Makes an agent open its connections with `open`. */
function withConnect<Agent extends HttpAgent>(agent: Agent, open: () => Promise<Socket>): Agent {
  agent.createConnection = (_options, callback) => {
    open().then(
      (socket) => callback?.(null, socket),
      // Node accepts a call with an error alone, but its types also require a socket.
      (error: unknown) => (callback as ((error: unknown) => void) | undefined)?.(error),
    );
    return undefined;
  };
  return agent;
}

import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect as openSocket, type Socket } from 'node:net';
import type { SecretRedactor } from '../../../errors/redact.ts';
import { connectTcp, hostAndPort, opened, tcpOptions, type HostAndPort } from './connect.ts';
import { openTunnel, proxiesOf, type Proxy, type ProxyFor } from './proxy.ts';
import { withReceiveBuffer } from './receive-buffer.ts';
import { certificateOf, connectDirectTls, connectTls, type ServerCertificate, type TlsOptions } from './tls.ts';
import { TrustStore, type HostTrust, type TrustOptions } from './trust-store.ts';
import type { Environment } from '../../environment.ts';

/** How requests reach one origin. */
export interface Route {
  /** Keep connections open for later requests. */
  readonly agents: { readonly http?: HttpAgent; readonly https?: HttpsAgent };
  /** A proxy forwards the requests: the request line has the absolute URL (RFC 9112 section 3.2.2). */
  readonly absolute: boolean;
  /** Headers for the proxy. Secret. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ConnectionPoolOptions extends TrustOptions {
  /** The proxies are read from it. */
  readonly env: Environment;
  readonly timeoutMs: number;
  /** Receives the passwords of proxies. */
  readonly secrets: SecretRedactor;
}

/**
 * The connections of a command. Trusted certificates, client certificates and proxies depend on the host of a connection,
 * not on the registry that redirected to it. The pool does not limit how many requests run at once: a download that waits
 * for a connection could block the upload that it feeds.
 */
export class ConnectionPool {
  readonly trust: TrustStore;
  readonly #options: ConnectionPoolOptions;
  readonly #routes = new Map<string, Route>();
  readonly #sockets = new Set<Socket>();
  #proxies: ProxyFor | undefined;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
    this.trust = new TrustStore(options);
  }

  /**
   * @param isUnverified - do not verify the certificate. Default false
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

  /** The certificate that a host sends, which is not verified. @throws as for a connection */
  async certificate(url: URL): Promise<ServerCertificate> {
    return certificateOf(this.#track(await connect(await this.#destination(url, true))));
  }

  /** Closes all connections. Requests that are running fail. */
  close(): void {
    for (const { agents } of this.#routes.values()) {
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
      trust: trust !== undefined && isUnverified ? { ...trust, verify: false } : trust,
      proxy,
      proxyTrust: proxy?.url.protocol === 'https:' ? await this.trust.forHost(proxy.url) : undefined,
      timeoutMs: this.#options.timeoutMs,
    };
  }

  #createRoute(destination: Destination): Route {
    const { proxy } = destination;
    const isSecure = destination.trust !== undefined;
    const open = async () => this.#track(await connect(destination));
    const agents = isSecure
      ? { https: withConnect(new HttpsAgent(agentOptions), open) }
      : { http: withConnect(new HttpAgent(agentOptions), open) };
    const absolute = !isSecure && proxy !== undefined;
    const login = absolute && proxy.authorization !== undefined ? { 'proxy-authorization': proxy.authorization } : {};
    return { agents, absolute, headers: login };
  }

  /** An agent does not know a connection that opens after its request has ended, so `close` would miss it. */
  #track(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

interface Destination extends HostAndPort {
  /** Undefined for http. */
  readonly trust: HostTrust | undefined;
  /** Opens a tunnel to the host for https, and forwards the requests for http. */
  readonly proxy: Proxy | undefined;
  /** For a proxy with an https address. */
  readonly proxyTrust: HostTrust | undefined;
  readonly timeoutMs: number;
}

/**
 * Opens a connection, directly or through a proxy.
 * @throws Error with Node's code or `ETIMEDOUT`; MlistError if the proxy refuses the tunnel
 */
function connect(destination: Destination): Promise<Socket> {
  const { host, trust, proxy, timeoutMs } = destination;
  if (proxy === undefined) return connectDirectly(destination);
  if (trust === undefined) return connectToProxy(destination, proxy);
  return secured(trust, host, timeoutMs, async (options) => {
    const socket = await connectToProxy(destination, proxy);
    return connectTls(await openTunnel(socket, destination, proxy, timeoutMs), options);
  });
}

function connectDirectly(destination: Destination): Promise<Socket> {
  const { host, trust, timeoutMs } = destination;
  return trust === undefined
    ? opened(
        withReceiveBuffer((onread) => openSocket({ ...tcpOptions(destination), onread })),
        'connect',
        timeoutMs,
      )
    : secured(trust, host, timeoutMs, (options) => connectDirectTls(destination, options));
}

function connectToProxy({ proxyTrust, timeoutMs }: Destination, { url }: Proxy): Promise<Socket> {
  const address = hostAndPort(url);
  const open = () => connectTcp(address, timeoutMs);
  if (proxyTrust === undefined) return open();
  return secured(proxyTrust, address.host, timeoutMs, async (options) => connectTls(await open(), options));
}

/** Starts TLS on a connection, on another connection for each set of authorities that is needed. */
function secured(
  trust: HostTrust,
  host: string,
  timeoutMs: number,
  start: (options: TlsOptions) => Promise<Socket>,
): Promise<Socket> {
  const { verify, contexts, key } = trust;
  return contexts.handshake(key, (context) => start({ host, verify, context, timeoutMs }));
}

const agentOptions: AgentOptions = { keepAlive: true, scheduling: 'lifo', maxFreeSockets: 256 };

/** Makes an agent open its connections with this function. */
function withConnect<Agent extends HttpAgent>(agent: Agent, open: () => Promise<Socket>): Agent {
  agent.createConnection = (_options, callback) => {
    open().then(
      (socket) => callback?.(null, socket),
      // Node accepts an error alone, but its types also require a socket.
      (error: unknown) => (callback as ((error: unknown) => void) | undefined)?.(error),
    );
    return undefined;
  };
  return agent;
}

import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type Destination } from './connect.ts';
import { proxiesOf, type ProxyFor } from './proxy.ts';
import type { SecretRedactor } from '../../../errors/redact.ts';
import { TrustStore, type TrustOptions } from './tls.ts';

/** How the requests to one origin travel. */
export interface Route {
  /** Connections that are kept open for the next request. */
  readonly agents: { readonly http?: HttpAgent; readonly https?: HttpsAgent };
  /** A proxy passes the request on: it is sent the whole address in the request's first line (RFC 9112 section 3.2.2). */
  readonly absolute: boolean;
  /** For the proxy alone; secret. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ConnectionPoolOptions extends TrustOptions {
  readonly timeoutMs: number;
  /** Gets to know the logins of proxies. */
  readonly secrets: SecretRedactor;
}

/**
 * The connections of a command. Trust, client certificates and proxies belong to the host that is spoken to, not to the
 * registry that sent the client there. How many requests run at once is limited elsewhere: an agent that made them wait
 * for a connection could make a download and the upload that it feeds wait for each other.
 */
export class ConnectionPool {
  readonly trust: TrustStore;
  readonly #options: ConnectionPoolOptions;
  readonly #routes = new Map<string, Route>();
  readonly #sockets = new Set<Duplex>();
  #proxies: ProxyFor | undefined;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
    this.trust = new TrustStore(options);
  }

  /** @throws MlistError where the settings of a proxy or certificates cannot be used */
  async route(url: URL): Promise<Route> {
    const known = this.#routes.get(url.origin);
    if (known !== undefined) return known;
    const destination = await this.#destination(url);
    // Several requests may have waited for the same certificates.
    const route = this.#routes.get(url.origin) ?? this.#routeTo(destination);
    this.#routes.set(url.origin, route);
    return route;
  }

  /** Closes all connections; requests that are under way fail. */
  close(): void {
    for (const { agents } of this.#routes.values()) {
      agents.http?.destroy();
      agents.https?.destroy();
    }
    for (const socket of this.#sockets) socket.destroy();
    this.#routes.clear();
  }

  async #destination(url: URL): Promise<Destination> {
    this.#proxies ??= proxiesOf(this.#options.env);
    const proxy = this.#proxies(url);
    this.#options.secrets.add(...(proxy?.secrets ?? []));
    const isSecure = url.protocol === 'https:';
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || (isSecure ? 443 : 80)),
      trust: isSecure ? await this.trust.forHost(url) : undefined,
      proxy,
      proxyTrust: proxy?.url.protocol === 'https:' ? await this.trust.forHost(proxy.url) : undefined,
      timeoutMs: this.#options.timeoutMs,
    };
  }

  #routeTo(destination: Destination): Route {
    const { proxy } = destination;
    const isSecure = destination.trust !== undefined;
    const open = async () => this.#kept(await connect(destination));
    const agents = isSecure ? { https: new SecureAgent(open) } : { http: new PlainAgent(open) };
    const absolute = !isSecure && proxy !== undefined;
    const login = absolute && proxy.authorization !== undefined ? { 'proxy-authorization': proxy.authorization } : {};
    return { agents, absolute, headers: login };
  }

  /** A connection may come up after its request has gone: it is closed with the others. */
  #kept(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

type Open = () => Promise<Socket>;
type Created = (error: Error | null, socket: Duplex) => void;

const pooling: AgentOptions = { keepAlive: true, scheduling: 'lifo', maxFreeSockets: 256 };

class PlainAgent extends HttpAgent {
  readonly #open: Open;

  constructor(open: Open) {
    super(pooling);
    this.#open = open;
  }

  override createConnection(_options: ClientRequestArgs, created?: Created): undefined {
    hand(this.#open, created);
  }
}

class SecureAgent extends HttpsAgent {
  readonly #open: Open;

  constructor(open: Open) {
    super(pooling);
    this.#open = open;
  }

  override createConnection(_options: ClientRequestArgs, created?: Created): undefined {
    hand(this.#open, created);
  }
}

/** Node takes an error alone, though its types ask for a connection too. */
function hand(open: Open, created: Created | undefined): void {
  open().then(
    (socket) => created?.(null, socket),
    (error: unknown) => (created as ((error: unknown) => void) | undefined)?.(error),
  );
}

import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * A forward proxy: CONNECT tunnels for https, absolute URLs for http. It maps host names to local ports, so that tests can
 * use any host name.
 */
export interface ForwardProxyOptions {
  /** Local ports by `host:port`. */
  readonly hosts: Readonly<Record<string, number>>;
  /** `user:password` */
  readonly login?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Send the local address as the host name, for registries that accept only loopback names. Default false. */
  readonly rewritesHost?: boolean;
}

export class ForwardProxy {
  /** The requests: `CONNECT host:port` and `GET http://host/path`. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #options: ForwardProxyOptions;
  readonly #sockets = new Set<Duplex>();

  private constructor(options: ForwardProxyOptions) {
    this.#options = options;
    const listener = (request: IncomingMessage, response: ServerResponse) => this.#pass(request, response);
    this.#server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex) => this.#tunnel(request, socket));
  }

  static async start(options: ForwardProxyOptions): Promise<ForwardProxy> {
    const forwardProxy = new ForwardProxy(options);
    await new Promise<void>((resolve) => forwardProxy.#server.listen(0, '127.0.0.1', resolve));
    return forwardProxy;
  }

  get url(): string {
    const { login, tls } = this.#options;
    const user = login === undefined ? '' : `${login}@`;
    return `${tls === undefined ? 'http' : 'https'}://${user}127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Environment variables that make a client use the proxy for all requests. */
  get env(): Readonly<Record<string, string>> {
    return { HTTP_PROXY: this.url, HTTPS_PROXY: this.url };
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    await closed;
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    this.requests.push(`${method} ${url}`);
    if (!this.#isLetIn(request)) return void response.writeHead(407).end();
    const target = URL.canParse(url) ? new URL(url) : undefined;
    const port = target && this.#options.hosts[`${target.hostname}:${target.port === '' ? '80' : target.port}`];
    if (target === undefined || port === undefined) return void response.writeHead(403).end();
    const path = target.pathname + target.search;
    const sent = this.#options.rewritesHost === true ? { ...headers, host: `127.0.0.1:${port}` } : headers;
    const onward = forward({ host: '127.0.0.1', port, method, path, headers: sent, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    return void request.pipe(onward);
  }

  #tunnel(request: IncomingMessage, socket: Duplex): void {
    const { url = '' } = request;
    this.requests.push(`CONNECT ${url}`);
    this.#keep(socket);
    if (!this.#isLetIn(request)) return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const port = this.#options.hosts[url];
    if (port === undefined) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const onward: Socket = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    return this.#keep(onward);
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #isLetIn({ headers }: IncomingMessage): boolean {
    const { login } = this.#options;
    if (login === undefined) return true;
    return headers['proxy-authorization'] === `Basic ${Buffer.from(login).toString('base64')}`;
  }
}

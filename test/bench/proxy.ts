import {
  Agent,
  createServer,
  request as forward,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A proxy in front of a registry that delays each response and counts the requests. */
export class DelayProxy {
  delayMs = 0;
  requests = 0;
  /** Number of sequential round trips: a request is one level deeper than the deepest response sent before it arrived. */
  depth = 0;
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 1024 });
  readonly #upstream: string;
  #answered = 0;

  private constructor(upstream: string) {
    this.#upstream = upstream;
    this.#server = createServer({ requestTimeout: 0, keepAliveTimeout: 120_000 }, (request, response) => {
      void this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(upstream: string): Promise<DelayProxy> {
    const proxy = new DelayProxy(upstream);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  reset(): void {
    this.requests = 0;
    this.depth = 0;
    this.#answered = 0;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const depth = this.#answered + 1;
    this.depth = Math.max(this.depth, depth);
    const { method, headers, url = '' } = request;
    const onward = forward(new URL(url, this.#upstream), { method, headers, agent: this.#agent });
    request.pipe(onward);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      onward.once('response', resolve);
      onward.once('error', reject);
    });
    if (this.delayMs > 0) await sleep(this.delayMs);
    response.once('close', () => (this.#answered = Math.max(this.#answered, depth)));
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    answer.once('error', () => response.destroy());
  }
}

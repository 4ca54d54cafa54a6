import { request } from 'node:http';
import { describe } from '@jest/globals';

/** Container engines for tests: their sockets are named by environment variables, as `DOCKER_HOST` takes them. */
export type EngineVariable = 'DOCKER_CONTAINERD_HOST' | 'DOCKER_CLASSIC_HOST' | 'PODMAN_HOST';

/** Tests that need an engine. Without one they are skipped, and their title states the reason. */
export function describeWithEngine(
  variable: EngineVariable,
  title: string,
  tests: (engine: EngineClient) => void,
): void {
  const host = process.env[variable];
  if (host?.startsWith('unix://') === true) {
    const engine = new EngineClient(host.slice('unix://'.length));
    describe(`${title} (${variable})`, () => tests(engine));
  } else
    describe.skip(`${title} (skipped: ${variable} is not set to a unix:// address)`, () => tests(new EngineClient('')));
}

/** Sends requests of Docker's API to the socket of an engine. */
export class EngineClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Returns the body of the response. Rejects if the status is not 2xx. */
  call(method: string, path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request({ method, path, socketPath: this.#socketPath }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString();
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(body);
          else reject(new Error(`${method} ${path}: ${status} ${body}`));
        });
      });
      call.on('error', reject);
      call.end();
    });
  }

  async json(path: string): Promise<unknown> {
    return JSON.parse(await this.call('GET', path));
  }
}

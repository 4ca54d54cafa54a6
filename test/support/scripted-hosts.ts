import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ForwardProxy } from './forward-proxy.ts';
import { sha256, type Image } from './images.ts';

/** A request that a scripted host has received. */
export interface HostRequest {
  readonly scheme: 'http' | 'https';
  /** The `Host` header, with a port unless it is the default one. */
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage['headers'];
  /** The user of the Basic credentials, if any. */
  readonly user: string | undefined;
  /** The common name of the client certificate, if any. */
  readonly client: string | undefined;
}

/** Answers requests to one host. Returns false to let the host serve its image. */
export type HostRule = (request: HostRequest, response: ServerResponse) => boolean;

export interface ScriptedHost {
  readonly image?: Image | undefined;
  /** Requires a login with Basic. Any credentials are accepted. */
  readonly requiresLogin?: boolean;
  readonly rule?: HostRule;
}

/**
 * Registries and mirrors with any host names, as separate scripts behind a forward proxy. Each serves one image for all
 * repositories, tags and paths, and records its requests.
 */
export class ScriptedHosts {
  readonly requests: HostRequest[] = [];
  readonly #hosts = new Map<string, ScriptedHost>();
  readonly #servers: readonly [Server, Server | undefined];
  #proxy: ForwardProxy | undefined;

  private constructor(tls: { readonly cert: string; readonly key: string } | undefined) {
    const listener = (scheme: 'http' | 'https') => (request: IncomingMessage, response: ServerResponse) =>
      this.#answer(scheme, request, response);
    this.#servers = [
      createServer(listener('http')),
      tls === undefined
        ? undefined
        : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false }, listener('https')),
    ];
  }

  /**
   * @param hosts - by `HOST[:PORT]`
   * @param plain - those of them whose port other than 80 and 443 speaks http
   * @param tls - the certificate of all hosts; without it, their https ports speak http
   */
  static async start(
    hosts: Readonly<Record<string, ScriptedHost>>,
    {
      plain = [],
      tls,
    }: { readonly plain?: readonly string[]; readonly tls?: { cert: string; key: string } | undefined } = {},
  ): Promise<ScriptedHosts> {
    const scripted = new ScriptedHosts(tls);
    for (const [name, host] of Object.entries(hosts)) scripted.#hosts.set(name, host);
    const [http = 0, https = 0] = await Promise.all(scripted.#servers.map(listen));
    const ports = Object.keys(hosts).flatMap((name): readonly (readonly [string, number])[] => {
      if (/:\d+$/.test(name)) return [[name, plain.includes(name) ? http : https]];
      return [
        [`${name}:80`, http],
        [`${name}:443`, https === 0 ? http : https],
      ];
    });
    scripted.#proxy = await ForwardProxy.start({ hosts: Object.fromEntries(ports) });
    return scripted;
  }

  get env(): Readonly<Record<string, string>> {
    return this.#proxy?.env ?? {};
  }

  /** The hosts that have received matching requests, in the order of their first one. */
  hostsOf(method: string, path = /./): readonly string[] {
    const matching = this.requests.filter((request) => request.method === method && path.test(request.path));
    return [...new Set(matching.map(({ host }) => host))];
  }

  to(host: string): readonly HostRequest[] {
    return this.requests.filter((request) => request.host === host);
  }

  async close(): Promise<void> {
    await this.#proxy?.close();
    for (const server of this.#servers) {
      server?.closeAllConnections();
      if (server?.listening === true) await new Promise((resolve) => server.close(resolve));
    }
  }

  #answer(scheme: 'http' | 'https', request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    const [path = '', query = ''] = url.split('?');
    const host = headers.host ?? '';
    const [, encoded] = /^Basic (.+)$/.exec(headers.authorization ?? '') ?? [];
    const user = encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString().split(':')[0];
    const peer = request.socket instanceof TLSSocket ? request.socket.getPeerCertificate() : undefined;
    const names = Object.keys(peer ?? {}).length === 0 ? undefined : peer?.subject.CN;
    const client = typeof names === 'string' ? names : names?.[0];
    const seen = { scheme, host, method, path, query, headers, user, client };
    this.requests.push(seen);
    response.on('error', () => undefined);
    request.resume();
    const { image, requiresLogin = false, rule } = this.#hosts.get(host) ?? {};
    if (requiresLogin && headers.authorization === undefined)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
    if (rule?.(seen, response) === true) return;
    serve(image, seen, response);
  }
}

/** Serves the manifest, the blobs, and an empty list of referrers of an image. */
export function serve(image: Image | undefined, { method, path }: HostRequest, response: ServerResponse): void {
  const [, kind = '', name = ''] = /\/(manifests|blobs|tags)\/([^/]+)$/.exec(path) ?? [];
  if (image === undefined) return void response.writeHead(404).end();
  if (kind === 'tags') return send(response, method, 'application/json', Buffer.from('{"name":"x","tags":["1"]}'));
  const isManifest = kind === 'manifests' && (!name.startsWith('sha256:') || name === image.digest);
  const bytes = isManifest ? image.bytes : image.blobs.find((blob) => kind === 'blobs' && sha256(blob) === name);
  if (bytes === undefined) return void response.writeHead(404).end();
  send(response, method, isManifest ? image.mediaType : 'application/octet-stream', bytes, sha256(bytes));
}

function send(response: ServerResponse, method: string, type: string, bytes: Buffer, digest?: string): void {
  response.writeHead(200, {
    'content-type': type,
    'content-length': bytes.length,
    ...(digest === undefined ? {} : { 'docker-content-digest': digest }),
  });
  response.end(method === 'HEAD' ? undefined : bytes);
}

/** Closes the connection. */
export const broken: HostRule = (_request, response) => {
  response.destroy();
  return true;
};

/** Answers with these bytes in place of the content. */
export function wrongContent(type: string, text: string): HostRule {
  return ({ method }, response) => {
    send(response, method, type, Buffer.from(text));
    return true;
  };
}

/** Answers with a status and no body. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): HostRule {
  return (_request, response) => {
    response.writeHead(code, headers).end();
    return true;
  };
}

/** Never answers. */
export const silent: HostRule = () => true;

async function listen(server: Server | undefined): Promise<number> {
  if (server === undefined) return 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

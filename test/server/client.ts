import { request as requestHttp, type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import type { ManifestContent } from '../../src/store/store.ts';
import { startRegistry, type ServerOptions, type RunningRegistry } from '../../src/server/start-registry.ts';
import { imageOf, indexOf, withFolder, type Image } from '../store/samples.ts';

/** An HTTP client that sends requests without changes. */

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Sending {
  readonly headers?: OutgoingHttpHeaders;
  /** A list is sent in chunks, without a Content-Length. */
  readonly body?: Uint8Array | string | readonly (Uint8Array | string)[];
  readonly ca?: string | undefined;
  /** Default: a connection for each request. */
  readonly agent?: Agent;
}

export function send(url: string, method: string, path: string, sending: Sending = {}): Promise<Answer> {
  const { hostname, port, protocol } = new URL(url);
  const { headers = {}, body, ca, agent = false } = sending;
  const length = typeof body === 'string' || body instanceof Uint8Array ? Buffer.byteLength(body) : undefined;
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? requestHttps : requestHttp)({
      host: hostname.replace(/^\[|\]$/g, ''),
      port,
      method,
      path,
      agent,
      ...(ca === undefined ? {} : { ca }),
      headers: { ...(length === undefined ? {} : { 'content-length': length }), ...headers },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('aborted', () => reject(new Error('the response was aborted')));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    for (const chunk of Array.isArray(body) ? (body as readonly (Uint8Array | string)[]) : []) request.write(chunk);
    request.end(length === undefined ? undefined : body);
  });
}

/** The error codes in a response body. */
export function codesOf({ body }: Answer): readonly string[] {
  return (JSON.parse(body.toString()) as { errors: { code: string }[] }).errors.map(({ code }) => code);
}

export function jsonOf(response: Answer): unknown {
  return JSON.parse(response.body.toString());
}

/** A running registry with a client. */
export interface Served {
  readonly registry: RunningRegistry;
  readonly url: string;
  /** The served folder; undefined for a registry in memory. */
  readonly dir: string | undefined;
  send(method: string, path: string, sending?: Sending): Promise<Answer>;
  get(path: string, headers?: OutgoingHttpHeaders): Promise<Answer>;
  putBlob(name: string, content: ManifestContent): Promise<Answer>;
  putManifest(
    name: string,
    content: ManifestContent,
    reference?: string,
    headers?: OutgoingHttpHeaders,
  ): Promise<Answer>;
}

export async function withRegistry(options: ServerOptions, work: (served: Served) => Promise<void>): Promise<void> {
  const registry = await startRegistry(options);
  const { url } = registry;
  const served: Served = {
    registry,
    url,
    dir: options.dir,
    send: (method, path, sending) => send(url, method, path, sending),
    get: (path, headers = {}) => send(url, 'GET', path, { headers }),
    putBlob: (name, { descriptor, bytes }) =>
      send(url, 'POST', `/v2/${name}/blobs/uploads/?digest=${descriptor.digest}`, { body: bytes }),
    putManifest: (name, { descriptor, bytes }, reference = descriptor.digest, headers = {}) =>
      send(url, 'PUT', `/v2/${name}/manifests/${reference}`, {
        headers: { 'content-type': descriptor.mediaType, ...headers },
        body: bytes,
      }),
  };
  try {
    await work(served);
  } finally {
    await registry.close();
  }
}

/** Runs the work with a registry in memory, and with one in a folder. */
export const stores: readonly (readonly [
  string,
  (work: (served: Served) => Promise<void>, options?: ServerOptions) => Promise<void>,
])[] = [
  ['memory', (work, options = {}) => withRegistry(options, work)],
  [
    'a folder',
    (work, options = {}) => withFolder((folder) => withRegistry({ ...options, dir: join(folder, 'served') }, work)),
  ],
];

export async function putImage(served: Served, name: string, image: Image, tag?: string): Promise<Answer> {
  for (const blob of [image.config, ...image.layers]) await served.putBlob(name, blob);
  return await served.putManifest(name, image.manifest, tag);
}

/** Pushes two images and an index of them, with a tag. */
export async function putList(served: Served, name: string, tag: string): Promise<ManifestContent> {
  const images = ['one', 'two'].map((seed) => imageOf(seed));
  for (const image of images) await putImage(served, name, image);
  const index = indexOf(images.map(({ manifest }) => manifest.descriptor));
  await served.putManifest(name, index, tag);
  return index;
}

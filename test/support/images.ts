import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { Platform } from '../../src/oci/platform/platform.ts';

/** Creates small images and pushes them with plain HTTP, without using code of mlist. */
export interface Image {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
  readonly blobs: readonly Buffer[];
}

export interface ImageOptions {
  readonly platform?: Partial<Platform>;
  readonly kind?: 'docker' | 'oci';
  /** Makes the layers of this image differ from those of other images. */
  readonly salt?: string;
  readonly layers?: number;
  readonly layerBytes?: number;
  /** Size of an additional layer of random bytes. */
  readonly noise?: number;
  /** Additional members of the config and the manifest. */
  readonly config?: object;
  readonly manifest?: object;
}

const types = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
};

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function makeImage(options: ImageOptions = {}): Image {
  const { kind = 'docker', platform = { architecture: 'amd64', os: 'linux' }, salt = '', layers = 1 } = options;
  const type = types[kind];
  const blobs = Array.from({ length: layers }, (_, at) =>
    gzipSync(Buffer.alloc(options.layerBytes ?? 64, `${salt}${at}.`)),
  );
  if (options.noise !== undefined) blobs.push(randomBytes(options.noise));
  const config = Buffer.from(
    JSON.stringify({ ...platform, rootfs: { type: 'layers', diff_ids: [] }, salt, ...options.config }),
  );
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, size: bytes.length, digest: sha256(bytes) });
  const bytes = Buffer.from(
    JSON.stringify(
      {
        schemaVersion: 2,
        mediaType: type.manifest,
        config: describe(type.config, config),
        layers: blobs.map((blob) => describe(type.layer, blob)),
        ...options.manifest,
      },
      undefined,
      3,
    ),
  );
  return { mediaType: type.manifest, digest: sha256(bytes), bytes, blobs: [config, ...blobs] };
}

/** Pushes an image to a tag, or by its digest if `tag` is undefined. */
export async function pushImage(url: string, repository: string, tag: string | undefined, image: Image): Promise<void> {
  await Promise.all(image.blobs.map((blob) => pushBlob(url, repository, blob)));
  await putManifest(url, repository, tag ?? image.digest, image.mediaType, image.bytes);
}

export async function pushBlob(url: string, repository: string, blob: Buffer): Promise<void> {
  const path = `${url}/v2/${repository}/blobs/uploads/`;
  // A registry that ignores the digest and the body opens an upload.
  const isSmall = blob.length < 65_536;
  const [query, body] = isSmall ? [`?digest=${sha256(blob)}`, blob] : [];
  const sent = await send('POST', `${path}${query ?? ''}`, [201, 202], body);
  if (sent.status === 201) return;
  const location = new URL(sent.headers.location ?? '', url);
  location.searchParams.set('digest', sha256(blob));
  await send('PUT', location.href, [201], blob);
}

export async function putManifest(
  url: string,
  repository: string,
  name: string,
  mediaType: string,
  bytes: Buffer,
): Promise<void> {
  const target = `${url}/v2/${repository}/manifests/${name}`;
  await send('PUT', target, [201], bytes, { 'content-type': mediaType });
}

export interface Served {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  ...Object.values(types).map((type) => type.manifest),
].join(', ');

/** The manifest with this tag or digest; undefined if the registry does not have it. */
export async function getManifest(url: string, repository: string, name: string): Promise<Served | undefined> {
  const target = `${url}/v2/${repository}/manifests/${name}`;
  const { status, headers, bytes } = await send('GET', target, [200, 404], undefined, { accept });
  return status === 404 ? undefined : { mediaType: headers['content-type'] ?? '', digest: sha256(bytes), bytes };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** Sends a request with node:http, which needs a third of the time of fetch. Rejects if the status is not in `statuses`. */
async function send(
  method: string,
  url: string,
  statuses: readonly number[],
  body?: Uint8Array,
  headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
  const length = body === undefined ? {} : { 'content-length': body.length };
  const request = httpRequest(url, { method, headers: { ...headers, ...length } });
  const responded = once(request, 'response') as Promise<[IncomingMessage]>;
  request.end(body);
  const [response] = await responded;
  const { statusCode: status = 0 } = response;
  const bytes = await buffer(response);
  if (statuses.includes(status)) return { status, headers: response.headers, bytes };
  throw new Error(`${method} ${url}: ${status} ${bytes.toString()}`);
}

/** An index of images, OCI or Docker, as bytes. */
export function makeIndex(
  entries: readonly object[],
  more: object = {},
  mediaType = 'application/vnd.oci.image.index.v1+json',
): Served {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries, ...more }));
  return { mediaType, digest: sha256(bytes), bytes };
}

export function entryOf(image: Image, platform?: Partial<Platform>, more: object = {}): object {
  return {
    mediaType: image.mediaType,
    digest: image.digest,
    size: image.bytes.length,
    ...(platform === undefined ? {} : { platform }),
    ...more,
  };
}

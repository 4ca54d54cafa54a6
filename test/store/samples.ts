import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ManifestContent, ContentWriter } from '../../src/store/store.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, parseDigest, type Digest } from '../../src/oci/digest.ts';
import { MediaType } from '../../src/oci/media-type.ts';

/** Sample content for the tests of stores. */

export function contentOf(mediaType: string, bytes: Uint8Array | string): ManifestContent {
  const buffer = Buffer.from(bytes);
  return { descriptor: { mediaType, digest: digestOf(buffer), size: buffer.length }, bytes: buffer };
}

export function sha512Of(bytes: Uint8Array): Digest {
  return parseDigest(`sha512:${createHash('sha512').update(bytes).digest('hex')}`);
}

/** The same content with its sha512 digest. */
export function asSha512({ descriptor, bytes }: ManifestContent): ManifestContent {
  return { descriptor: { ...descriptor, digest: sha512Of(bytes) }, bytes };
}

export function blobOf(
  text: string | Uint8Array,
  mediaType = 'application/vnd.oci.image.layer.v1.tar',
): ManifestContent {
  return contentOf(mediaType, text);
}

export interface Image {
  readonly config: ManifestContent;
  readonly layers: readonly ManifestContent[];
  readonly manifest: ManifestContent;
}

/** An image with one layer. Different seeds give different images. */
export function imageOf(seed: string, members: object = {}): Image {
  const layer = blobOf(`layer of ${seed}`);
  const config = contentOf(
    MediaType.ociConfig,
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [layer.descriptor.digest] },
    }),
  );
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
    ...members,
  };
  return { config, layers: [layer], manifest: contentOf(MediaType.ociManifest, JSON.stringify(document)) };
}

export function indexOf(manifests: readonly Descriptor[], members: object = {}): ManifestContent {
  const document = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests, ...members };
  return contentOf(MediaType.ociIndex, JSON.stringify(document));
}

/** An image that tools can unpack: its layer is an empty tar archive. */
function unpackable(architecture: string): Image {
  const tar = Buffer.alloc(1024);
  const layer = blobOf(gzipSync(tar), 'application/vnd.oci.image.layer.v1.tar+gzip');
  const diffIds = [blobOf(tar).descriptor.digest];
  const config = contentOf(
    MediaType.ociConfig,
    JSON.stringify({ architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
  };
  return { config, layers: [layer], manifest: contentOf(MediaType.ociManifest, JSON.stringify(document)) };
}

/** Puts an index of two images, with their blobs. */
export async function putUnpackableList(
  store: ContentWriter,
  tag: string,
): Promise<{ readonly index: ManifestContent; readonly images: readonly Image[] }> {
  const images = ['amd64', 'arm64'].map(unpackable);
  for (const { config, layers, manifest } of images) {
    for (const { descriptor, bytes } of [config, ...layers]) await store.putBlob(descriptor, () => chunksOf(bytes));
    await store.putManifest(manifest, manifest.descriptor.digest);
  }
  const index = indexOf(
    images.map(({ manifest }, at) => ({
      ...manifest.descriptor,
      platform: { architecture: at === 0 ? 'amd64' : 'arm64', os: 'linux' },
    })),
  );
  await store.putManifest(index, tag);
  return { index, images };
}

export async function* chunksOf(bytes: Uint8Array, length = 5): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collect(chunks));
}

/** Writes a layout without mlist's checks, like another tool or an older version. */
export async function writeLayout(
  dir: string,
  contents: readonly ManifestContent[],
  entries: readonly Descriptor[],
): Promise<void> {
  for (const { descriptor, bytes } of contents) {
    const [algorithm = '', encoded = ''] = descriptor.digest.split(':');
    await mkdir(join(dir, 'blobs', algorithm), { recursive: true });
    await writeFile(join(dir, 'blobs', algorithm, encoded), bytes);
  }
  await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: entries }));
}

/** An entry of index.json with a tag. */
export function tagged({ descriptor }: ManifestContent, tag: string): Descriptor {
  return { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } };
}

/** The content of an image; the manifest is the last item. */
export function contentsOf({ config, layers, manifest }: Image): readonly ManifestContent[] {
  return [config, ...layers, manifest];
}

/** A manifest whose bytes do not state their media type. */
export function unstated({ descriptor, bytes }: ManifestContent): ManifestContent {
  const document = JSON.parse(Buffer.from(bytes).toString()) as object;
  return contentOf(descriptor.mediaType, JSON.stringify({ ...document, mediaType: undefined }));
}

/** Runs the work with a temporary folder, which is removed afterwards. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-test-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

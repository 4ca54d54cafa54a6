import { entryOf, makeImage, makeIndex, pushImage, putManifest, sha256, type Image, type Served } from './images.ts';

/** The images for tests and benchmarks that count requests. */

const architectures = ['amd64', 'arm64', 'arm', '386', 'ppc64le', 's390x', 'riscv64', 'mips64le', 'loong64'];

/** Returns `count` different platforms. */
export function platformsOf(count: number): readonly { readonly os: string; readonly architecture: string }[] {
  const systems = ['linux', 'freebsd', 'netbsd', 'openbsd', 'plan9', 'solaris'];
  return systems.flatMap((os) => architectures.map((architecture) => ({ os, architecture }))).slice(0, count);
}

function imageAt(at: number, layers: number): Image {
  const platform = platformsOf(at + 1)[at] ?? {};
  return makeImage({ salt: `image ${at}`, kind: 'oci', platform, layers });
}

/** Pushes images with five layers and a config, each to its own repository. @returns `REPOSITORY:TAG` of each */
export async function imagesElsewhere(url: string, count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, at) => `elsewhere/app-${at}`);
  await Promise.all(names.map((name, at) => pushImage(url, name, 'v1', imageAt(at, 5))));
  return names.map((name) => `${name}:v1`);
}

/** Pushes images to tags of one repository. @returns `REPOSITORY:TAG` of each */
export async function imagesBeside(url: string, repository: string, count: number): Promise<readonly string[]> {
  const tags = Array.from({ length: count }, (_, at) => `image-${at}`);
  await Promise.all(tags.map((tag, at) => pushImage(url, repository, tag, imageAt(at, 1))));
  return tags.map((tag) => `${repository}:${tag}`);
}

/** Pushes a list of `count` images, and an image that is not in the list. */
export async function longList(url: string, repository: string, tag: string, count: number): Promise<Served> {
  const images = Array.from({ length: count }, (_, at) => imageAt(at, 1));
  await Promise.all(images.map((image) => pushImage(url, repository, undefined, image)));
  const list = makeIndex(images.map((image, at) => entryOf(image, platformsOf(count)[at])));
  await putManifest(url, repository, tag, list.mediaType, list.bytes);
  await pushImage(url, repository, 'next', imageAt(count, 1));
  return list;
}

/** Pushes a list of five images with two layers and a config. They share the first layer: 6 manifests and 11 blobs. */
export async function sharedList(url: string, repository: string, tag: string): Promise<Served> {
  const shared = makeImage({ salt: 'shared', kind: 'oci', layerBytes: 5000 }).blobs[1] ?? Buffer.alloc(0);
  const images = platformsOf(5).map((platform, at) =>
    withLayer(makeImage({ salt: `own ${at}`, kind: 'oci', platform }), shared),
  );
  for (const image of images) await pushImage(url, repository, undefined, image);
  const list = makeIndex(images.map((image, at) => entryOf(image, platformsOf(5)[at])));
  await putManifest(url, repository, tag, list.mediaType, list.bytes);
  return list;
}

function withLayer(image: Image, bytes: Buffer): Image {
  const document = JSON.parse(image.bytes.toString()) as { layers: object[] };
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const layer = { mediaType, size: bytes.length, digest: sha256(bytes) };
  const manifest = Buffer.from(JSON.stringify({ ...document, layers: [layer, ...document.layers] }));
  return { ...image, bytes: manifest, digest: sha256(manifest), blobs: [...image.blobs, bytes] };
}

import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, sha256, type Image } from './images.ts';

export const platforms = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64', variant: 'v8' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
  { os: 'linux', architecture: 'riscv64' },
  { os: 'linux', architecture: 's390x' },
];

/** Five images with two layers and a config. They share the first layer: 6 manifests, including the list, and 11 blobs. */
export const shared = makeImage({ salt: 'base', kind: 'oci', layerBytes: 5000 }).blobs[1]!;
export const images = platforms.map((platform, at) =>
  withSharedLayer(makeImage({ salt: `own ${at}`, kind: 'oci', platform })),
);
export const list = makeIndex(
  images.map((image, at) => entryOf(image, platforms[at])),
  { annotations: { note: 'a list' }, 'x-unknown': { kept: true } },
);

/** Adds the shared layer below the other layers of an image. */
export function withSharedLayer(image: Image): Image {
  const document = JSON.parse(image.bytes.toString()) as { layers: object[] };
  const layer = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    size: shared.length,
    digest: sha256(shared),
  };
  const bytes = Buffer.from(JSON.stringify({ ...document, layers: [layer, ...document.layers] }));
  return { ...image, bytes, digest: sha256(bytes), blobs: [...image.blobs, shared] };
}

export async function pushList(url: string, repository: string, tag: string): Promise<void> {
  for (const image of images) await pushImage(url, repository, undefined, image);
  await putManifest(url, repository, tag, list.mediaType, list.bytes);
}

export interface Counted extends RunningRegistry {
  readonly requests: string[];
}

export async function counted(): Promise<Counted> {
  const requests: string[] = [];
  const registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
  return { ...registry, requests };
}

export let registry: Counted;
export let other: Counted;

/** Starts two registries for the tests of the file, with the list in the first one as team/app:v1. Counts the requests of each test. */
export function serveCopyImages(): void {
  beforeAll(async () => {
    [registry, other] = [await counted(), await counted()];
    await pushList(registry.url, 'team/app', 'v1');
  });
  afterAll(async () => {
    await registry.close();
    await other.close();
  });
  afterEach(() => {
    registry.requests.length = 0;
    other.requests.length = 0;
  });
}

export function requestsOf(work: Promise<unknown>): Promise<number> {
  registry.requests.length = 0;
  other.requests.length = 0;
  return work.then(() => registry.requests.length + other.requests.length);
}

export async function blobsOf(url: string, repository: string, digest: string): Promise<readonly string[]> {
  const child = await getManifest(url, repository, digest);
  const { config, layers = [] } = JSON.parse(child!.bytes.toString()) as {
    config?: { digest: string };
    layers?: { digest: string }[];
  };
  return [...(config === undefined ? [] : [config]), ...layers].map((blob) => blob.digest);
}

/** Checks that all content of a list exists and matches its digests. */
export async function expectWhole(url: string, repository: string, name: string): Promise<void> {
  const served = await getManifest(url, repository, name);
  const { manifests } = JSON.parse(served!.bytes.toString()) as { manifests: { digest: string }[] };
  for (const { digest } of manifests) {
    expect((await getManifest(url, repository, digest))?.digest).toBe(digest);
    for (const blob of await blobsOf(url, repository, digest)) {
      const response = await fetch(`${url}/v2/${repository}/blobs/${blob}`);
      expect(sha256(Buffer.from(await response.arrayBuffer()))).toBe(blob);
    }
  }
}

export let repositories = 0;
/** Returns a new, empty repository. */
export function fresh(): string {
  repositories += 1;
  return `team/copy${repositories}`;
}

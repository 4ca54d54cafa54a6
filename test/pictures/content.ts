import type { Platform } from '../../src/oci/platform/platform.ts';
import { attestationEntry } from '../support/buildx.ts';
import { entryOf, makeIndex, pushBlob, putManifest, sha256, type Image } from '../support/images.ts';

/** The content of the registry in the pictures. Its bytes are always the same, so that its digests are. */

const KIB = 1024;
export const MIB = 1024 * KIB;

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** Bytes that look like a layer of this size, without compressing one. */
function layerOf(salt: string, size: number): Buffer {
  return Buffer.alloc(size, `${salt} `);
}

function imageOf(platform: Platform, layers: readonly (readonly [salt: string, size: number])[]): Image {
  const config = Buffer.from(JSON.stringify({ ...platform, rootfs: { type: 'layers', diff_ids: [] } }));
  const blobs = layers.map(([salt, size]) => layerOf(salt, size));
  const document = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: descriptorOf('application/vnd.oci.image.config.v1+json', config),
    layers: blobs.map((blob) => descriptorOf(layerType, blob)),
  };
  return manifestOf(document, [config, ...blobs]);
}

export function attestationOf(image: Image): Image {
  const config = Buffer.from(JSON.stringify({ architecture: 'unknown', os: 'unknown', rootfs: {} }));
  const statements = ['https://slsa.dev/provenance/v1', 'https://spdx.dev/Document'].map((predicateType, at) => {
    const subject = [{ name: '_', digest: { sha256: image.digest.slice('sha256:'.length) } }];
    const bytes = Buffer.from(JSON.stringify({ predicateType, subject, predicate: 'x'.repeat((at + 1) * 9 * KIB) }));
    return { predicateType, bytes };
  });
  const document = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: descriptorOf('application/vnd.oci.image.config.v1+json', config),
    layers: statements.map(({ predicateType, bytes }) => ({
      ...descriptorOf('application/vnd.in-toto+json', bytes),
      annotations: { 'in-toto.io/predicate-type': predicateType },
    })),
  };
  return manifestOf(document, [config, ...statements.map(({ bytes }) => bytes)]);
}

function descriptorOf(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

function manifestOf(document: object, blobs: readonly Buffer[]): Image {
  const bytes = Buffer.from(JSON.stringify(document));
  return { mediaType: ociManifest, digest: sha256(bytes), bytes, blobs };
}

export async function pushManifest(url: string, repository: string, tag: string, image: Image): Promise<void> {
  await Promise.all(image.blobs.map((blob) => pushBlob(url, repository, blob)));
  await putManifest(url, repository, tag, image.mediaType, image.bytes);
}

export const amd64: Platform = { os: 'linux', architecture: 'amd64' };
export const arm64: Platform = { os: 'linux', architecture: 'arm64' };
export const armv7: Platform = { os: 'linux', architecture: 'arm', variant: 'v7' };

export function appFor(platform: Platform, name: string, size: number): Image {
  return imageOf(platform, [
    [`base ${name}`, Math.round(size * 0.3)],
    [`app ${name}`, Math.round(size * 0.7)],
  ]);
}

/**
 * Pushes the images that the pictures combine, and a list with attestations.
 * @param builds - the registry of a build system, which has one image
 */
export async function pushContent(url: string, builds: string): Promise<void> {
  const images = [
    appFor(amd64, 'amd64', 9.6 * MIB),
    appFor(arm64, 'arm64', 9.1 * MIB),
    appFor(armv7, 'armv7', 8.2 * MIB),
  ];
  const [first = images[0], second = images[0], third = images[0]] = images;
  if (first === undefined || second === undefined || third === undefined) return;
  await pushManifest(url, 'team/app', 'amd64', first);
  await pushManifest(url, 'team/app', 'arm64', second);
  await pushManifest(url, 'team/app', 'armv7', third);
  await pushManifest(url, 'build/app', 'amd64', first);
  await pushManifest(url, 'build/app', 'arm64', second);
  await pushManifest(builds, 'app', 'arm64', second);
  const attestations = images.slice(0, 2).map(attestationOf);
  for (const one of attestations) await pushManifest(url, 'team/app', one.digest, one);
  const index = makeIndex(
    [
      entryOf(first, amd64),
      entryOf(second, { ...arm64, variant: 'v8' }),
      entryOf(third, armv7),
      ...attestations.map((one, at) => attestationEntry(one, images[at] ?? one)),
    ],
    { annotations: { 'org.opencontainers.image.version': '1.0' } },
  );
  await putManifest(url, 'team/app', '1.0', index.mediaType, index.bytes);
}

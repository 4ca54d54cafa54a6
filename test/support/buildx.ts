import type { Platform } from '../../src/oci/platform/platform.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, type Image, type Served } from './images.ts';

/** An index as BuildKit pushes it: an image for each platform, then an attestation for each image. */
export interface Built {
  readonly index: Served;
  readonly images: readonly Image[];
  readonly attestations: readonly Image[];
}

/** @param options.sharesAttestation - one attestation for all images, as BuildKit creates it for images with equal layers */
export async function pushBuild(
  url: string,
  repository: string,
  tag: string,
  platforms: readonly Platform[],
  salt = '',
  { sharesAttestation = false } = {},
): Promise<Built> {
  const images = platforms.map((platform, at) => makeImage({ kind: 'oci', platform, salt: `${salt}${at}` }));
  const attestations = images.map((image) => attestationOf(sharesAttestation ? (images[0] ?? image) : image));
  for (const image of [...images, ...attestations]) await pushImage(url, repository, undefined, image);
  const index = makeIndex([
    ...images.map((image, at) => entryOf(image, platforms[at])),
    ...attestations.map((attestation, at) => attestationEntry(attestation, images[at] ?? attestation)),
  ]);
  await putManifest(url, repository, tag, index.mediaType, index.bytes);
  return { index, images, attestations };
}

/** An attestation in BuildKit's older form, which looks like an image for unknown/unknown. */
function attestationOf(image: Image): Image {
  return makeImage({
    kind: 'oci',
    platform: { architecture: 'unknown', os: 'unknown' },
    salt: `attestation ${image.digest}`,
  });
}

export function attestationEntry(attestation: Image, image: Image): object {
  return entryOf(
    attestation,
    { architecture: 'unknown', os: 'unknown' },
    {
      annotations: { 'vnd.docker.reference.digest': image.digest, 'vnd.docker.reference.type': 'attestation-manifest' },
    },
  );
}

import type { Digest } from './digest.ts';
import type { Platform } from './platform/platform.ts';

export type Annotations = Readonly<Record<string, string>>;

/** A descriptor (image-spec v1.1.1 descriptor.md). Unknown members are kept. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Length of the content in bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Annotations;
  /** The content itself, in base64 with padding. */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/**
 * The annotation keys that mlist and other tools evaluate. The keys of attestations are specified in BuildKit,
 * docs/attestations/attestation-storage.md.
 */
export const AnnotationKey = {
  referenceType: 'vnd.docker.reference.type',
  referenceDigest: 'vnd.docker.reference.digest',
  /** The predicate type of the in-toto statement in a layer of an attestation. */
  predicateType: 'in-toto.io/predicate-type',
  /** containers/image sets it on a zstd twin, the second entry for the platform of an image. */
  zstd: 'io.github.containers.compression.zstd',
  refName: 'org.opencontainers.image.ref.name',
  /** The full image name of an entry in index.json (containerd, images/annotations.go). */
  imageName: 'io.containerd.image.name',
} as const;

export function isAttestation({ annotations }: Pick<Descriptor, 'annotations'>): boolean {
  return annotations?.[AnnotationKey.referenceType] === 'attestation-manifest';
}

/** Returns the digest of the image to which an attestation belongs. Returns undefined for other entries. */
export function attestedDigest(entry: Pick<Descriptor, 'annotations'>): string | undefined {
  return isAttestation(entry) ? entry.annotations?.[AnnotationKey.referenceDigest] : undefined;
}

/** Returns a descriptor with only the media type, digest and size. */
export function minimalDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** Removes duplicates. If several items have the same digest, keeps the last one, at the position of the first. */
export function uniqueByDigest<T extends { readonly digest: Digest }>(items: Iterable<T>): readonly T[] {
  return [...new Map([...items].map((item) => [item.digest, item])).values()];
}

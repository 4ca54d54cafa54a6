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
  /** The content itself, base64 with padding. */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/** Annotation keys that tools evaluate. For attestations see BuildKit, docs/attestations/attestation-storage.md. */
export const AnnotationKey = {
  referenceType: 'vnd.docker.reference.type',
  referenceDigest: 'vnd.docker.reference.digest',
  /** The predicate type of the in-toto statement in a layer of an attestation. */
  predicateType: 'in-toto.io/predicate-type',
  /** Set by containers/image on the zstd copy of an image, which is a second entry for the same platform. */
  zstd: 'io.github.containers.compression.zstd',
  refName: 'org.opencontainers.image.ref.name',
  /** The full image name of an entry of index.json (containerd, images/annotations.go). */
  imageName: 'io.containerd.image.name',
} as const;

export function isAttestation({ annotations }: Pick<Descriptor, 'annotations'>): boolean {
  return annotations?.[AnnotationKey.referenceType] === 'attestation-manifest';
}

/** The digest of the image that an attestation is for; undefined for other entries. */
export function attestedDigest(entry: Pick<Descriptor, 'annotations'>): string | undefined {
  return isAttestation(entry) ? entry.annotations?.[AnnotationKey.referenceDigest] : undefined;
}

/** A descriptor with media type, digest and size only. */
export function minimalDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** Removes duplicates: each digest at its first position, with its last value. */
export function uniqueByDigest<T extends { readonly digest: Digest }>(items: Iterable<T>): readonly T[] {
  return [...new Map([...items].map((item) => [item.digest, item])).values()];
}

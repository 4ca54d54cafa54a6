import type { Digest } from './digest.ts';
import type { Platform } from './platform/platform.ts';

export type Annotations = Readonly<Record<string, string>>;

/** What points at content (image-spec v1.1.1 descriptor.md). Members that are not known here ride along untouched. */
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

/** Annotation keys with a meaning to tools; those of attestations: BuildKit, docs/attestations/attestation-storage.md. */
export const AnnotationKey = {
  referenceType: 'vnd.docker.reference.type',
  referenceDigest: 'vnd.docker.reference.digest',
  /** containers/image marks the zstd twin of an image with it: a second entry of one platform on purpose. */
  zstd: 'io.github.containers.compression.zstd',
  refName: 'org.opencontainers.image.ref.name',
  /** The full reference that a container engine knows an entry of index.json by (containerd, images/annotations.go). */
  imageName: 'io.containerd.image.name',
} as const;

/** The digest of the image that an attestation entry speaks of; undefined for any other entry. */
export function attestedDigest({ annotations }: Pick<Descriptor, 'annotations'>): string | undefined {
  if (annotations?.[AnnotationKey.referenceType] !== 'attestation-manifest') return undefined;
  return annotations[AnnotationKey.referenceDigest];
}

export function isAttestation({ annotations }: Pick<Descriptor, 'annotations'>): boolean {
  return annotations?.[AnnotationKey.referenceType] === 'attestation-manifest';
}

/** Just what identifies content: media type, digest, size. */
export function minimalDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** Each digest once, in the order in which they first come; of several the last is taken. */
export function uniqueByDigest<T extends { readonly digest: Digest }>(items: Iterable<T>): readonly T[] {
  return [...new Map([...items].map((item) => [item.digest, item])).values()];
}

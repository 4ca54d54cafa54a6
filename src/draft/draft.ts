import type { Annotations, Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { JsonObject } from '../json/json.ts';
import { formatLocation, isInEngine, type Location } from '../oci/location.ts';
import { MediaType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { formatReference, type Reference } from '../oci/reference.ts';

/** A list in the workspace. Draft files (workspace/draft-file.ts) store its references and locations as text. */
export interface Draft {
  readonly version: 1;
  /** The name of the list, with a tag and without a digest. */
  readonly list: Reference;
  readonly format: Format;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  /** The remote list that the draft was created from. */
  readonly base?: Base;
  /** Unknown members of the list. */
  readonly extra?: JsonObject;
  /** The entries in the order that the author chose. */
  readonly entries: readonly Entry[];
}

/** auto: a Docker manifest list if all images have Docker media types and nothing requires OCI, else an OCI index. */
export type Format = 'auto' | 'oci' | 'docker';

export interface Base {
  readonly ref: Location;
  readonly digest: Digest;
}

export interface Entry {
  /** The location of the manifest or, for an entry that comes from an index, the location of that index. */
  readonly source: Location;
  /** Digest of the index that the entry comes from. */
  readonly via?: Digest;
  /** The image, if its engine keeps no manifests. The first push generates its manifest; see `isUnpushed`. */
  readonly image?: PinnedImage;
  /** Locations of content that the source lacks, without tags, in the order in which they are tried. */
  readonly fill?: readonly Location[];
  readonly mediaType: string;
  /** The digest of the manifest. An image without a manifest has its ID here until the first push, with the size 0. */
  readonly digest: Digest;
  readonly size: number;
  /** The platform that the image states, unchanged. */
  readonly detected?: Platform;
  readonly set?: EntrySettings;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly urls?: readonly string[];
  readonly data?: string;
  /** Digest of the image that an attestation is about. */
  readonly attests?: Digest;
  /** Unknown members of the descriptor. */
  readonly extra?: JsonObject;
}

/** An image of an engine, identified by its content, because its name may be given to another image later. */
export interface PinnedImage {
  /** The digest of the image's config. */
  readonly id: Digest;
  /** The digests of the uncompressed layers, the lowest first. */
  readonly layers: readonly Digest[];
}

/** Values that override those of the source. Null removes a value; absent members are not overridden. */
export interface PlatformSettings {
  readonly os?: string | null;
  readonly architecture?: string | null;
  readonly variant?: string | null;
  readonly 'os.version'?: string | null;
  readonly 'os.features'?: readonly string[] | null;
}

export interface EntrySettings extends PlatformSettings {
  readonly annotations?: Readonly<Record<string, string | null>>;
  readonly artifactType?: string | null;
}

export const platformMembers = ['os', 'architecture', 'variant', 'os.version', 'os.features'] as const;

export function emptyDraft(list: Reference, format: Format = 'auto'): Draft {
  return { version: 1, list, format, entries: [] };
}

/** The canonical reference of the draft's list. */
export function listName({ list }: Pick<Draft, 'list'>): string {
  return formatReference(list);
}

/** The canonical location of the entry's source. */
export function sourceName({ source }: Pick<Entry, 'source'>): string {
  return formatLocation(source);
}

/** The members of an entry that describe its manifest. */
export type ManifestMembers = Pick<Entry, 'mediaType' | 'digest' | 'size'>;

/** The manifest members of an image's entry until its first push, which generates an OCI manifest. */
export function unpushedManifest({ id }: PinnedImage): ManifestMembers {
  return { mediaType: MediaType.ociManifest, digest: id, size: 0 };
}

/** Whether the image has no manifest yet, so that its digest is unknown. */
export function isUnpushed({ image, digest }: Pick<Entry, 'image' | 'digest'>): boolean {
  return image?.id === digest;
}

/** The entry with the manifest that was generated for its image, and with the platform that the image states. */
export function withManifest(
  entry: Entry,
  { mediaType, digest, size, detected }: ManifestMembers & { readonly detected?: Platform | undefined },
): Entry {
  return { ...entry, mediaType, digest, size, ...(detected === undefined ? {} : { detected }) };
}

/** The location to read the entry's content from: the source, with the ID of a pinned image instead of its name. */
export function contentSource({ source, image }: Pick<Entry, 'source' | 'image'>): Location {
  return image !== undefined && isInEngine(source) ? { ...source, image: image.id } : source;
}

/**
 * Identifies the content of an entry. The result for an image without a manifest does not change with its first push.
 */
export function contentId({ image, digest }: Pick<Entry, 'image' | 'digest'>): Digest {
  return image?.id ?? digest;
}

/** Whether the draft was created from the list that has this canonical name. */
export function isBasedOn({ base }: Draft, name: string): boolean {
  return base !== undefined && formatLocation(base.ref) === name;
}

/** The platform in the list: the detected one, with the author's overrides. Undefined if both are empty. */
export function platformOf({ detected, set = {} }: Pick<Entry, 'detected' | 'set'>): Platform | undefined {
  const overridden = platformMembers.filter((name) => set[name] !== undefined);
  if (overridden.length === 0) return detected;
  const merged: Record<string, unknown> = { architecture: '', os: '', ...detected };
  for (const name of overridden) {
    if (set[name] !== null) merged[name] = set[name];
    else if (name === 'os' || name === 'architecture') merged[name] = '';
    else delete merged[name];
  }
  if (merged['os'] === '' && merged['architecture'] === '' && Object.keys(merged).length === 2) return undefined;
  return merged as unknown as Platform;
}

/** The annotations in the list: those of the source, with the author's overrides. Undefined if both are empty. */
export function annotationsOf({ annotations, set }: Pick<Entry, 'annotations' | 'set'>): Annotations | undefined {
  if (set?.annotations === undefined) return annotations;
  const merged = Object.entries({ ...annotations, ...set.annotations }).filter(
    (pair): pair is [string, string] => pair[1] !== null,
  );
  return merged.length === 0 ? undefined : Object.fromEntries(merged);
}

function artifactTypeOf({ artifactType, set }: Entry): string | undefined {
  return set?.artifactType === undefined ? artifactType : (set.artifactType ?? undefined);
}

export function descriptorOf(entry: Entry): Descriptor {
  const platform = platformOf(entry);
  const annotations = annotationsOf(entry);
  const artifactType = artifactTypeOf(entry);
  return {
    mediaType: entry.mediaType,
    digest: entry.digest,
    size: entry.size,
    ...(entry.urls === undefined ? {} : { urls: entry.urls }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(entry.data === undefined ? {} : { data: entry.data }),
    ...(platform === undefined ? {} : { platform }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...entry.extra,
  };
}

export function isAttestationEntry(entry: Pick<Entry, 'attests'>): boolean {
  return entry.attests !== undefined;
}

/** The platforms of the images; attestations are skipped. */
export function imagePlatforms(entries: readonly Entry[]): readonly Platform[] {
  return entries.flatMap((entry) => (isAttestationEntry(entry) ? [] : (platformOf(entry) ?? [])));
}

/** Identifies an entry by its descriptor, regardless of its source. */
export function descriptorKey(entry: Entry): string {
  const { image } = entry;
  return JSON.stringify(descriptorOf(image === undefined ? entry : { ...entry, digest: image.id, size: 0 }));
}

/** Removes duplicates: entries with the same descriptor. */
export function uniqueEntries(entries: readonly Entry[]): readonly Entry[] {
  return [...new Map(entries.map((entry) => [descriptorKey(entry), entry])).values()];
}

/**
 * Identifies the manifest of an entry. Several images with the same layers share one attestation manifest, which the
 * list has once for each image.
 */
export function manifestKey(entry: Pick<Entry, 'image' | 'digest' | 'attests'>): string {
  return `${contentId(entry)} ${entry.attests ?? ''}`;
}

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
  /** The reference of the list, with a tag and without a digest. */
  readonly list: Reference;
  readonly format: Format;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  /** The list from which the draft was created. */
  readonly base?: Base;
  /** Unknown members of the list. */
  readonly extra?: JsonObject;
  /** The entries in the order that the author chose. */
  readonly entries: readonly Entry[];
}

/** auto: docker if there are entries, all of them have Docker media types, and nothing requires OCI; otherwise oci. */
export type Format = 'auto' | 'oci' | 'docker';

export interface Base {
  readonly ref: Location;
  readonly digest: Digest;
}

export interface Entry {
  /** The location of the manifest or, for an entry that comes from an index, the location of that index. */
  readonly source: Location;
  /** The digest of the index that the entry comes from. */
  readonly via?: Digest;
  /** Set for an image from an engine that keeps no manifests. The first push generates its manifest (`isUnpushed`). */
  readonly image?: PinnedImage;
  /** Other locations, without tags, that are tried in this order for content that the source lacks. */
  readonly fill?: readonly Location[];
  readonly mediaType: string;
  /** The digest of the manifest. Until the first push of an `image`, this is its ID, and `size` is 0. */
  readonly digest: Digest;
  readonly size: number;
  /** The platform that the image states, unchanged. */
  readonly detected?: Platform;
  readonly set?: EntrySettings;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly urls?: readonly string[];
  readonly data?: string;
  /** Only for attestations: the digest of the image that the attestation is about. */
  readonly attests?: Digest;
  /** Unknown members of the descriptor. */
  readonly extra?: JsonObject;
}

/** An engine image, identified by its content, because its name may refer to another image later. */
export interface PinnedImage {
  /** The digest of the image's config. */
  readonly id: Digest;
  /** The digests of the uncompressed layers, the lowest first. */
  readonly layers: readonly Digest[];
}

/** Values that override the platform from the source. Null removes a value; absent members are not overridden. */
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

/** Returns the canonical reference of the draft's list. */
export function listName({ list }: Pick<Draft, 'list'>): string {
  return formatReference(list);
}

/** Returns the canonical text of the entry's source. */
export function sourceName({ source }: Pick<Entry, 'source'>): string {
  return formatLocation(source);
}

/** The members of an entry that describe its manifest. */
export type ManifestMembers = Pick<Entry, 'mediaType' | 'digest' | 'size'>;

/** Returns the members that stand for the manifest of an engine image until the first push generates it. */
export function unpushedManifest({ id }: PinnedImage): ManifestMembers {
  return { mediaType: MediaType.ociManifest, digest: id, size: 0 };
}

/** Whether the entry's manifest has not been generated yet. The digest of the manifest is then unknown. */
export function isUnpushed({ image, digest }: Pick<Entry, 'image' | 'digest'>): boolean {
  return image?.id === digest;
}

/** Returns the entry with the manifest that was generated for its image, and with the detected platform if given. */
export function withManifest(
  entry: Entry,
  { mediaType, digest, size, detected }: ManifestMembers & { readonly detected?: Platform | undefined },
): Entry {
  return { ...entry, mediaType, digest, size, ...(detected === undefined ? {} : { detected }) };
}

/** Returns the location of the entry's content: its source, with the ID of a pinned image in place of its name. */
export function contentSource({ source, image }: Pick<Entry, 'source' | 'image'>): Location {
  return image !== undefined && isInEngine(source) ? { ...source, image: image.id } : source;
}

/**
 * Identifies the content of an entry by the manifest digest or, if the image is pinned, by the image ID. The manifest
 * digest of a pinned image is unknown until its first push.
 */
export function contentId({ image, digest }: Pick<Entry, 'image' | 'digest'>): Digest {
  return image?.id ?? digest;
}

/** Whether the draft was created from the list with this canonical location. */
export function isBasedOn({ base }: Draft, name: string): boolean {
  return base !== undefined && formatLocation(base.ref) === name;
}

/** Returns the entry's platform in the list: the detected one with the author's overrides. Undefined if it has none. */
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

/** Returns the entry's annotations in the list, with the author's overrides; undefined if it has no annotations. */
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

/** Returns the platforms of the images. Attestations are skipped. */
export function imagePlatforms(entries: readonly Entry[]): readonly Platform[] {
  return entries.flatMap((entry) => (isAttestationEntry(entry) ? [] : (platformOf(entry) ?? [])));
}

/**
 * Identifies an entry by its descriptor, regardless of its source. The key of a pinned image contains its ID instead of
 * the manifest digest, so that the first push does not change it.
 */
export function descriptorKey(entry: Entry): string {
  const { image } = entry;
  return JSON.stringify(descriptorOf(image === undefined ? entry : { ...entry, digest: image.id, size: 0 }));
}

/**
 * Returns the entries without duplicates: of entries with the same descriptor, the last one is kept, at the position of
 * the first.
 */
export function uniqueEntries(entries: readonly Entry[]): readonly Entry[] {
  return [...new Map(entries.map((entry) => [descriptorKey(entry), entry])).values()];
}

/**
 * Identifies the manifest of an entry and, for an attestation, also its image: images with the same layers can share
 * one attestation manifest, for which the list then has one entry per image.
 */
export function manifestKey(entry: Pick<Entry, 'image' | 'digest' | 'attests'>): string {
  return `${contentId(entry)} ${entry.attests ?? ''}`;
}

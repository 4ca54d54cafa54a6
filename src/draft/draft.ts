import type { Annotations, Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { JsonObject } from '../json/json.ts';
import { formatLocation, type Location } from '../oci/location.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { formatReference, type Reference } from '../oci/reference.ts';

/** A list in the workspace. Draft files (workspace/draft-file.ts) store its references and locations as text. */
export interface Draft {
  readonly version: 1;
  /** Has a tag and no digest. */
  readonly list: Reference;
  readonly format: Format;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  /** The remote list that the draft was created from. */
  readonly base?: Base;
  /** Unknown members of the list. */
  readonly extra?: JsonObject;
  /** In the order of the author. */
  readonly entries: readonly Entry[];
}

/** auto: a Docker manifest list if all images have Docker media types and nothing requires OCI, else an OCI index. */
export type Format = 'auto' | 'oci' | 'docker';

export interface Base {
  readonly ref: Location;
  readonly digest: Digest;
}

export interface Entry {
  /** Location of the manifest; for an entry that comes from an index, of the index. */
  readonly source: Location;
  /** Digest of the index that the entry comes from. */
  readonly via?: Digest;
  readonly mediaType: string;
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

/** Identifies an entry by its descriptor, whichever source it comes from. */
export function descriptorKey(entry: Entry): string {
  return JSON.stringify(descriptorOf(entry));
}

/** Removes duplicates: entries with the same descriptor. */
export function uniqueEntries(entries: readonly Entry[]): readonly Entry[] {
  return [...new Map(entries.map((entry) => [descriptorKey(entry), entry])).values()];
}

/** Identifies the manifest of an entry. Images with the same layers share an attestation, which is listed once for each. */
export function manifestKey({ digest, attests }: Pick<Entry, 'digest' | 'attests'>): string {
  return `${digest} ${attests ?? ''}`;
}

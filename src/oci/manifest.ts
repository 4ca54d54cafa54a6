import type { Annotations, Descriptor } from './descriptor.ts';
import { isJsonObject, type Json, type JsonObject } from '../json/json.ts';
import { isDockerType, isIndexType, isManifestType, isSchema1Type, MediaType } from './media-type.ts';
import type { Platform } from './platform/platform.ts';

/** An OCI image index (image-spec v1.1.1 image-index.md). */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType: typeof MediaType.ociIndex;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

/** A Docker manifest list (distribution, docs/content/spec/manifest-v2-2.md "Manifest List"). */
export interface ManifestList {
  readonly schemaVersion: 2;
  readonly mediaType: typeof MediaType.dockerList;
  readonly manifests: readonly Descriptor[];
}

/** The members of an image manifest. mlist reads the same members in OCI and Docker manifests. */
interface ImageManifestMembers {
  readonly schemaVersion: 2;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

export interface OciImageManifest extends ImageManifestMembers {
  readonly mediaType: typeof MediaType.ociManifest;
}

export interface DockerImageManifest extends ImageManifestMembers {
  readonly mediaType: typeof MediaType.dockerManifest;
}

export type ImageManifest = OciImageManifest | DockerImageManifest;
export type Index = ImageIndex | ManifestList;
export type Manifest = Index | ImageManifest;

/**
 * The members of an image config that describe the platform (image-spec v1.1.1 config.md). Optional members may be
 * null.
 */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | null;
  readonly 'os.version'?: string | null;
  readonly 'os.features'?: readonly string[] | null;
}

/** Returns the platform in an image config without normalising it. Returns undefined if os or architecture is empty. */
export function platformOfConfig(config: ImageConfig): Platform | undefined {
  const { architecture, os, variant, 'os.version': version, 'os.features': features } = config;
  if (architecture === '' || os === '') return undefined;
  return {
    architecture,
    os,
    ...(version ? { 'os.version': version } : {}),
    ...(features?.length ? { 'os.features': features } : {}),
    ...(variant ? { variant } : {}),
  };
}

/** The media type of a manifest, or the reason (`fault`) for refusing the document. */
export type Kind =
  | { readonly mediaType: Manifest['mediaType']; readonly fault?: undefined }
  | { readonly mediaType?: string; readonly fault: string; readonly rule: 'E-TYPE' | 'E-AMBIG' | 'E-SCHEMA1' };

/**
 * Determines the media type of a document (docs/rules.md, E-TYPE and E-AMBIG). The document's `mediaType` and
 * `declared` must be equal if both are present, and must match the document's members. Ambiguous documents are refused
 * (CVE-2021-41190).
 * @param declared - the media type in the descriptor or the Content-Type header
 */
export function kindOf(document: JsonObject, declared?: string): Kind {
  const own = document['mediaType'] ?? undefined;
  const has = (name: string) => Object.hasOwn(document, name);
  if (document['schemaVersion'] === 1 || has('fsLayers') || isSchema1Type(declared ?? '')) {
    return { rule: 'E-SCHEMA1', fault: 'image manifest schema 1 is obsolete: push the image again with a newer tool' };
  }
  if (has('manifests') && (has('config') || has('layers'))) {
    return { rule: 'E-AMBIG', fault: 'its type is ambiguous: it has "manifests" as well as "config" or "layers"' };
  }
  if (own !== undefined && declared !== undefined && own !== declared) {
    return {
      rule: 'E-TYPE',
      fault: `its mediaType is ${textOf(own)}, but the media type in its descriptor or Content-Type is ${declared}`,
    };
  }
  const mediaType = own ?? declared ?? guessType(document);
  if (mediaType === undefined) return { rule: 'E-TYPE', fault: 'it is neither an image index nor an image manifest' };
  if (typeof mediaType !== 'string') return { rule: 'E-TYPE', fault: 'its mediaType is not a string' };
  return checkMembers(document, mediaType);
}

function checkMembers(document: JsonObject, mediaType: string): Kind {
  const isIndex = Object.hasOwn(document, 'manifests');
  if (isIndexType(mediaType) && !isIndex && Object.hasOwn(document, 'layers')) {
    return {
      mediaType,
      rule: 'E-AMBIG',
      fault: `its media type is ${mediaType}, but it has the members of an image manifest`,
    };
  }
  if (isManifestType(mediaType) && isIndex) {
    return { mediaType, rule: 'E-AMBIG', fault: `its media type is ${mediaType}, but it has "manifests"` };
  }
  if (isIndexType(mediaType) || isManifestType(mediaType)) return { mediaType: mediaType as Manifest['mediaType'] };
  return { mediaType, rule: 'E-TYPE', fault: `unsupported manifest type ${mediaType}` };
}

/** Derives the media type of a document without `mediaType` from its members. */
function guessType(document: JsonObject): string | undefined {
  const { config, layers, manifests } = document;
  if (isList(manifests)) return MediaType.ociIndex;
  if (!isJsonObject(config) || !isList(layers)) return undefined;
  return config['mediaType'] === MediaType.dockerConfig ? MediaType.dockerManifest : MediaType.ociManifest;
}

/** Whether a value is an array, or `null`, which Go writes for a nil slice. */
function isList(value: Json | undefined): boolean {
  return value === null || Array.isArray(value);
}

/**
 * Returns the media type of an image manifest that a registry serves with Docker's media type. Some registries also
 * serve OCI manifests without `mediaType` in this way; these are recognised by the media type of their config.
 */
export function typeOfAnnouncedDocker(document: JsonObject): ImageManifest['mediaType'] {
  const { config, mediaType } = document;
  const type = isJsonObject(config) ? config['mediaType'] : undefined;
  const isOci = mediaType == null && typeof type === 'string' && !isDockerType(type);
  return isOci ? MediaType.ociManifest : MediaType.dockerManifest;
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : 'not a string';
}

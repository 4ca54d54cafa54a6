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

/** An image manifest; the OCI and the Docker one have the same members. */
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

/** The part of an image's config that says what it runs on (image-spec v1.1.1 config.md). Optional members may be null. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | null;
  readonly 'os.version'?: string | null;
  readonly 'os.features'?: readonly string[] | null;
}

/** The platform that an image's config states, verbatim; undefined where it names no os or no architecture. */
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

/** What kind of manifest a document is, or why nobody can say. */
export type Kind =
  | { readonly mediaType: Manifest['mediaType']; readonly fault?: undefined }
  | { readonly mediaType?: string; readonly fault: string; readonly rule: 'E-TYPE' | 'E-AMBIG' | 'E-SCHEMA1' };

/**
 * Decides a document's media type (spec.md 1.4): what the descriptor or the server said must agree with the body's own
 * `mediaType`, and the members must fit. Two readings of one document are refused (CVE-2021-41190).
 */
export function kindOf(document: JsonObject, said?: string): Kind {
  const own = document['mediaType'] ?? undefined;
  const has = (name: string) => Object.hasOwn(document, name);
  if (document['schemaVersion'] === 1 || has('fsLayers') || isSchema1Type(said ?? '')) {
    return { rule: 'E-SCHEMA1', fault: 'it is of the obsolete schema 1: push the image again with a newer tool' };
  }
  if (has('manifests') && (has('config') || has('layers'))) {
    return { rule: 'E-AMBIG', fault: 'it has "manifests" beside "config" or "layers": it could be read as two things' };
  }
  if (own !== undefined && said !== undefined && own !== said) {
    return { rule: 'E-TYPE', fault: `its mediaType is ${textOf(own)}, but ${said} was announced` };
  }
  const mediaType = own ?? said ?? guess(document);
  if (mediaType === undefined) return { rule: 'E-TYPE', fault: 'it is neither an image index nor an image manifest' };
  if (typeof mediaType !== 'string') return { rule: 'E-TYPE', fault: 'its mediaType is no text' };
  return checkMembers(document, mediaType);
}

function checkMembers(document: JsonObject, mediaType: string): Kind {
  const isIndex = Object.hasOwn(document, 'manifests');
  if (isIndexType(mediaType) && !isIndex && Object.hasOwn(document, 'layers')) {
    return { mediaType, rule: 'E-AMBIG', fault: `it says ${mediaType}, but has the members of an image manifest` };
  }
  if (isManifestType(mediaType) && isIndex) {
    return { mediaType, rule: 'E-AMBIG', fault: `it says ${mediaType}, but has "manifests"` };
  }
  if (isIndexType(mediaType) || isManifestType(mediaType)) return { mediaType: mediaType as Manifest['mediaType'] };
  return { mediaType, rule: 'E-TYPE', fault: `${mediaType} is no manifest type that mlist knows` };
}

/** The type of a document that states none, from its members. */
function guess(document: JsonObject): string | undefined {
  const { config, layers, manifests } = document;
  if (isList(manifests)) return MediaType.ociIndex;
  if (!isJsonObject(config) || !isList(layers)) return undefined;
  return config['mediaType'] === MediaType.dockerConfig ? MediaType.dockerManifest : MediaType.ociManifest;
}

/** Go writes `null` for an empty list. */
function isList(value: Json | undefined): boolean {
  return value === null || Array.isArray(value);
}

/**
 * The type of an image manifest that was announced as Docker's. OCI manifests may omit their media type, and some
 * registries announce these as Docker's. The media type of the config then decides.
 */
export function typeOfAnnouncedDocker(document: JsonObject): ImageManifest['mediaType'] {
  const { config, mediaType } = document;
  const type = isJsonObject(config) ? config['mediaType'] : undefined;
  const isOci = mediaType == null && typeof type === 'string' && !isDockerType(type);
  return isOci ? MediaType.ociManifest : MediaType.dockerManifest;
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : 'no text';
}

import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import { checkDescriptor } from '../../schema/documents.ts';
import { repositoryIn } from '../origins.ts';

/** An image as its engine describes it (`GET /images/NAME/json`). */
export interface EngineImage {
  /** The digest of the index or manifest; the config digest if the engine keeps no manifests. */
  readonly id: Digest;
  /** The platform, as far as the engine reports it. podman reports neither `variant` nor `os.version`. */
  readonly platform: Platform;
  /** The diff IDs of the layers, the base layer first. */
  readonly layers: readonly Digest[];
  /**
   * The descriptor of the index or manifest. Absent if the engine keeps no manifests. If the engine is too old to
   * describe its manifests, only the digest is known: `mediaType` is empty, and `size` is 0.
   */
  readonly root?: Descriptor;
  /** The repositories in the image's `RepoDigests`. They do not necessarily have the image. */
  readonly repositories: readonly Reference[];
  /** The entries of the index. Empty for a single image, and if the engine does not report them. */
  readonly parts: readonly EnginePart[];
}

/** An entry of an index in an engine. */
export interface EnginePart {
  readonly descriptor: Descriptor;
  /** Whether the engine has the content. Engines usually pull only some of the platforms that an index lists. */
  readonly isAvailable: boolean;
  /** The total size in bytes of the content that the manifest refers to; 0 if the engine does not report it. */
  readonly contentBytes: number;
}

/**
 * Parses the description of an image.
 * @param hidesManifests - whether the engine keeps manifests, but is too old to describe them. If so, the ID is used as
 * the digest of the index or manifest
 * @returns undefined if the description is invalid
 */
export function parseEngineImage(value: Json, hidesManifests: boolean): EngineImage | undefined {
  if (!isJsonObject(value)) return undefined;
  const id = idOf(value['Id']);
  const os = textIn(value['Os']);
  const architecture = textIn(value['Architecture']);
  if (id === undefined || os === undefined || architecture === undefined) return undefined;
  const variant = textIn(value['Variant']);
  const version = textIn(value['OsVersion']);
  const root = descriptorIn(value['Descriptor']);
  const platform = {
    architecture,
    os,
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(variant === undefined ? {} : { variant }),
  };
  const facts = {
    id,
    platform,
    layers: layersIn(value['RootFS']),
    repositories: repositoriesIn(value['RepoDigests']),
    parts: partsIn(value['Manifests']),
  };
  if (root === undefined) return hidesManifests ? { ...facts, root: { ...unknownRoot, digest: id } } : facts;
  // The annotations of the root describe how the engine stores it, so they are omitted.
  return { ...facts, root: minimalDescriptor(root), ...(isIndexType(root.mediaType) ? {} : { parts: [] }) };
}

/** Placeholders for the media type and size of a root that the engine does not describe (API before 1.48). */
const unknownRoot = { mediaType: '', size: 0 };

/** Parses an image ID as a digest. podman omits the algorithm. */
function idOf(value: Json | undefined): Digest | undefined {
  const id = typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? `sha256:${value}` : value;
  return typeof id === 'string' && isDigest(id) ? id : undefined;
}

/** Returns the value if it is a non-empty string; otherwise undefined. */
export function textIn(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function layersIn(rootfs: Json | undefined): readonly Digest[] {
  const layers = isJsonObject(rootfs) ? rootfs['Layers'] : undefined;
  return Array.isArray(layers)
    ? (layers as readonly Json[]).filter((one) => typeof one === 'string' && isDigest(one))
    : [];
}

function repositoriesIn(names: Json | undefined): readonly Reference[] {
  const all = Array.isArray(names) ? (names as readonly Json[]) : [];
  return all.flatMap((name) => (typeof name === 'string' ? repositoryIn(name) : []));
}

function partsIn(manifests: Json | undefined): readonly EnginePart[] {
  if (!Array.isArray(manifests)) return [];
  return (manifests as readonly Json[]).filter(isJsonObject).flatMap((part: JsonObject) => {
    const descriptor = descriptorIn(part['Descriptor']);
    const sizes = part['Size'];
    const content = isJsonObject(sizes) ? sizes['Content'] : undefined;
    const contentBytes = typeof content === 'number' ? content : 0;
    return descriptor === undefined ? [] : [{ descriptor, isAvailable: part['Available'] === true, contentBytes }];
  });
}

function descriptorIn(value: Json | undefined): Descriptor | undefined {
  if (value === undefined || !isJsonObject(value) || checkDescriptor(value).length > 0) return undefined;
  return value as unknown as Descriptor;
}

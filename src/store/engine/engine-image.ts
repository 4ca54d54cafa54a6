import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import { checkDescriptor } from '../../schema/documents.ts';
import { repositoryIn } from '../origins.ts';

/** An image as an engine describes it, without an export (`GET /images/NAME/json`). */
export interface EngineImage {
  /** The digest of the index or manifest, or of the config if the engine keeps no manifests. */
  readonly id: Digest;
  /** The platform, as far as the engine states it. podman states neither variant nor version. */
  readonly platform: Platform;
  /** The digests of the uncompressed layers, the lowest first. */
  readonly layers: readonly Digest[];
  /** The index or manifest; undefined if the engine keeps none, so that one is generated from an export. */
  readonly root?: Descriptor;
  /** The repositories that the engine names with the image, without tags. It may never have been there. */
  readonly repositories: readonly Reference[];
  /** The manifests of an index. Empty if the engine does not list them. */
  readonly parts: readonly EnginePart[];
}

/** A manifest of an index in an engine. */
export interface EnginePart {
  readonly descriptor: Descriptor;
  /** Whether the engine has its content: an index names every platform, but only some are pulled. */
  readonly isAvailable: boolean;
  /** The size of everything that it refers to in bytes; 0 if the engine does not state it. */
  readonly contentBytes: number;
}

/**
 * Parses the description of an image.
 * @param hidesManifests - whether the engine has manifests, but is too old to describe them: the ID is the digest of the root
 * @returns undefined if it is invalid
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
  // Its annotations are those of the store.
  return { ...facts, root: minimalDescriptor(root), ...(isIndexType(root.mediaType) ? {} : { parts: [] }) };
}

/** The root of an image in a containerd store with an API before 1.48: only its digest is known. */
const unknownRoot = { mediaType: '', size: 0 };

/** podman writes the ID without an algorithm. */
function idOf(value: Json | undefined): Digest | undefined {
  const id = typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? `sha256:${value}` : value;
  return typeof id === 'string' && isDigest(id) ? id : undefined;
}

/** A member of an answer that is a string; undefined if it is empty or another value. */
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

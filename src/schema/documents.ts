import { asMlistError, type Problem } from '../errors/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../json/json.ts';
import { MAX_DOCUMENT_BYTES, readJson } from '../json/parse.ts';
import { pointerTo } from '../json/pointer.ts';
import { type Children, childrenIn } from '../oci/children.ts';
import { isVerifiable } from '../oci/digest.ts';
import {
  type ImageConfig,
  type ImageManifest,
  type Index,
  kindOf,
  type Manifest,
  typeOfAnnouncedDocker,
} from '../oci/manifest.ts';
import {
  isDockerType,
  isForeignLayerType,
  isImageConfigType,
  isIndexType,
  isManifestType,
  MediaType,
} from '../oci/media-type.ts';
import * as all from './compiled/documents-all.ts';
import * as first from './compiled/documents-first.ts';
import { checkNames, shapes } from './member-names.ts';
import { withoutNulls } from './null-members.ts';
import { capped, error, hasErrors, refusal, warning } from './problems.ts';
import { checkList, type RuleOptions } from './rules/list-rules.ts';
import { checkSchema, type Validator } from './validator.ts';

const descriptorValidator: Validator = { first: first.descriptor, all: all.descriptor };
const listValidator: Validator = { first: first.dockerManifestList, all: all.dockerManifestList };
const configValidator: Validator = { first: first.imageConfig, all: all.imageConfig };
const indexValidator: Validator = { first: first.imageIndex, all: all.imageIndex };
const manifestValidator: Validator = { first: first.imageManifest, all: all.imageManifest };

export interface ValidateOptions extends RuleOptions {
  /** Media type in the descriptor or the Content-Type header. Default: derived from the document. */
  readonly mediaType?: string | undefined;
}

export interface Report {
  /** Errors and warnings; at most 100. */
  readonly problems: readonly Problem[];
}

const DESCRIPTOR_TYPE = 'application/vnd.oci.descriptor.v1+json';

/** Larger documents are reported as close to the limits of registries (docs/rules.md, E-SIZE4M). */
const LARGE_BYTES = 3.5 * 1024 * 1024;
const LARGE_ENTRIES = 5_000;
const UNTYPED = '"mediaType" is missing';

/**
 * Checks an image index, a manifest list, an image manifest, an image config or a descriptor against its schema and
 * against the rules that need no registry (docs/rules.md). Never throws: invalid documents are reported as problems.
 */
export function validateDocument(bytes: Uint8Array, options: ValidateOptions = {}): Report {
  const { value, values, problems } = readJson(bytes);
  if (value === undefined) return { problems };
  if (!isJsonObject(value))
    return { problems: [...problems, error('E-TYPE', '', 'the document is not a JSON object')] };
  return { problems: capped([...problems, ...checkObject(value, values, options), ...sizeProblems(bytes, value)]) };
}

function sizeProblems(bytes: Uint8Array, document: JsonObject): readonly Problem[] {
  const entries = Array.isArray(document['manifests']) ? document['manifests'].length : 0;
  if (bytes.length <= LARGE_BYTES && entries <= LARGE_ENTRIES) return [];
  const size = `${bytes.length} of at most ${MAX_DOCUMENT_BYTES} bytes, and ${entries} entries`;
  const message = `close to the limits of registries: the document has ${size}`;
  return [warning('E-SIZE4M', '', message)];
}

function checkObject(document: JsonObject, values: number, options: ValidateOptions): readonly Problem[] {
  const { mediaType } = options;
  if (mediaType === DESCRIPTOR_TYPE || (mediaType === undefined && looksLikeDescriptor(document))) {
    return [...checkSchema(descriptorValidator, document, values), ...checkNames(document, shapes.descriptor)];
  }
  if (mediaType === undefined ? looksLikeConfig(document) : isImageConfigType(mediaType)) {
    return [...checkSchema(configValidator, document, values), ...checkNames(document, shapes.config)];
  }
  if (mediaType !== undefined && !isIndexType(mediaType) && !isManifestType(mediaType) && !('manifests' in document)) {
    return [warning('E-TYPE', '/mediaType', `unknown media type ${mediaType}: only the JSON syntax was checked`)];
  }
  const { problems, manifest } =
    options.isLayout === true ? checkLayoutIndex(document, values) : checkManifestShape(document, values, mediaType);
  if (manifest === undefined || hasErrors(problems)) return problems;
  return [...problems, ...rulesOf(manifest, options)];
}

/**
 * Checks the index.json of a layout, in which `mediaType` may be missing. A program written in Go may write `null` for
 * an empty `manifests` array.
 */
function checkLayoutIndex(document: JsonObject, values: number): ShapeReport {
  const { manifests, mediaType = MediaType.ociIndex } = document;
  const read = { ...document, mediaType, ...(manifests === null ? { manifests: [] } : {}) };
  return checkManifestShape(read, values, MediaType.ociIndex);
}

function rulesOf(manifest: Manifest, options: RuleOptions): Iterable<Problem> {
  return isIndex(manifest) ? checkList(manifest, options) : checkManifest(manifest);
}

function isIndex(manifest: Manifest): manifest is Index {
  return 'manifests' in manifest;
}

function looksLikeConfig(document: JsonObject): boolean {
  return 'architecture' in document && 'os' in document && !('schemaVersion' in document);
}

function looksLikeDescriptor(document: JsonObject): boolean {
  return 'digest' in document && 'size' in document && !('schemaVersion' in document);
}

interface ShapeReport {
  readonly problems: readonly Problem[];
  /** The manifest; absent if its media type could not be determined. It is valid only if there are no errors. */
  readonly manifest?: Manifest;
}

const validators: Readonly<Record<Manifest['mediaType'], Validator>> = {
  [MediaType.ociIndex]: indexValidator,
  [MediaType.dockerList]: listValidator,
  [MediaType.ociManifest]: manifestValidator,
  [MediaType.dockerManifest]: manifestValidator,
};

function checkManifestShape(document: JsonObject, values: number, declared: string | undefined): ShapeReport {
  const kind = kindOf(document, declared);
  const names = checkNames(document, shapes.manifest);
  if (kind.fault !== undefined) {
    const pointer = kind.rule === 'E-TYPE' && 'mediaType' in document ? '/mediaType' : '';
    return { problems: [error(kind.rule, pointer, kind.fault), ...names] };
  }
  const untyped = document['mediaType'] === undefined ? [warning('E-TYPE', '', UNTYPED)] : [];
  const problems = [...checkSchema(validators[kind.mediaType], document, values), ...names, ...untyped];
  return { problems, manifest: { ...(document as unknown as Manifest), mediaType: kind.mediaType } as Manifest };
}

/**
 * Reads a manifest from a registry, a layout or an archive. The rules in docs/rules.md are not applied, so that unusual
 * lists can be read. `null` is read as in Go: as an empty array or an absent member.
 * @param declared - media type in the descriptor or the Content-Type header
 * @param subject - the name of the document in errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the document is not strict JSON, its type is ambiguous, or it does
 * not match its schema
 */
export function readManifest(bytes: Uint8Array, declared: string | undefined, subject: string): Manifest {
  const { document, values } = readObject(bytes, subject);
  const read = mayHoldNull(bytes) ? withoutNulls(document).document : document;
  const { manifest, problems } = checkManifestShape(read, values, declared);
  if (manifest === undefined || hasErrors(problems)) throw refusal(subject, problems);
  return manifest;
}

/**
 * Returns warnings for deviations from the specification that `readManifest` accepts: `null` for an empty member, and a
 * Docker document without `mediaType`. Never throws.
 */
export function tolerancesIn(bytes: Uint8Array, mediaType: string): readonly Problem[] {
  const { value } = readJson(bytes);
  if (!isJsonObject(value)) return [];
  const { document, nulls } = withoutNulls(value);
  const untyped = isDockerType(mediaType) && document['mediaType'] === undefined;
  return capped([
    ...(untyped ? [warning('E-TYPE', '', UNTYPED)] : []),
    ...nulls.map((pointer) => warning('E-SCHEMA', pointer, 'is null, which is treated as empty')),
  ]);
}

/** Whether the bytes contain `null`. Most documents do not, and this search is faster than `withoutNulls`. */
function mayHoldNull(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('null');
}

/**
 * Reads the descriptors in a manifest. Checks only the members that a copy needs.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the document has another type, or a descriptor is invalid
 */
export function readChildren(bytes: Uint8Array, mediaType: string, subject: string): Children {
  const { document } = readObject(bytes, subject);
  const kind = kindOf(document, mediaType);
  const typeProblems = kind.fault === undefined ? [] : [error(kind.rule, '', kind.fault)];
  const problems = [...typeProblems, ...checkNames(document, shapes.links)];
  if (problems.length > 0) throw refusal(subject, problems);
  try {
    return childrenIn(document, mediaType);
  } catch (thrown) {
    throw refusal(subject, asMlistError(thrown).problems);
  }
}

/**
 * Returns the actual media type of an image manifest that was served with Docker's media type. It may be an OCI
 * manifest.
 */
export function typeOfDockerManifest(bytes: Uint8Array): ImageManifest['mediaType'] {
  const { value } = readJson(bytes);
  return isJsonObject(value) ? typeOfAnnouncedDocker(value) : MediaType.dockerManifest;
}

/**
 * Returns the media type of a manifest that was served without a known media type.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it is not a manifest
 */
export function manifestTypeOf(bytes: Uint8Array, subject: string): Manifest['mediaType'] {
  const kind = kindOf(readObject(bytes, subject).document);
  if (kind.fault !== undefined) throw refusal(subject, [error(kind.rule, '', kind.fault)]);
  return kind.mediaType;
}

/** Reads an OCI index or a Docker list, as `readManifest` does, and refuses a single image. */
export function readIndex(bytes: Uint8Array, declared: string | undefined, subject: string): Index {
  const manifest = readManifest(bytes, declared, subject);
  if (!isIndex(manifest)) throw refusal(subject, [error('E-TYPE', '', 'it is a single image, not a list')]);
  return manifest;
}

/** Reads an image manifest, as `readManifest` does, and refuses a list. */
export function readImageManifest(bytes: Uint8Array, declared: string | undefined, subject: string): ImageManifest {
  const manifest = readManifest(bytes, declared, subject);
  if (isIndex(manifest)) throw refusal(subject, [error('E-TYPE', '', 'it is a list, not a single image')]);
  return manifest;
}

/** Checks a descriptor that is not part of a manifest. */
export function checkDescriptor(value: Json): readonly Problem[] {
  return [...checkSchema(descriptorValidator, value, 0), ...checkNames(value, shapes.descriptor)];
}

export interface ReadConfigOptions {
  /**
   * Whether to accept a config without os or architecture, and to read the missing member as an empty string. Default
   * false.
   */
  readonly mayLackPlatform?: boolean | undefined;
}

/**
 * Reads the platform members of an image config.
 * @param subject - the name of the document in errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the config is not strict JSON, or does not match its schema
 */
export function readImageConfig(
  bytes: Uint8Array,
  subject: string,
  { mayLackPlatform = false }: ReadConfigOptions = {},
): ImageConfig {
  const { document: read, values } = readObject(bytes, subject);
  const { os, architecture } = read;
  const document = mayLackPlatform ? { ...read, os: os ?? '', architecture: architecture ?? '' } : read;
  const problems = [...checkSchema(configValidator, document, values), ...checkNames(document, shapes.config)];
  if (hasErrors(problems)) throw refusal(subject, problems);
  return document as unknown as ImageConfig;
}

function readObject(bytes: Uint8Array, subject: string): { readonly document: JsonObject; readonly values: number } {
  const { value, values, problems } = readJson(bytes);
  if (value === undefined || problems.length > 0) throw refusal(subject, problems);
  return { document: requireObject(value, subject), values };
}

function requireObject(value: Json, subject: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw refusal(subject, [error('E-TYPE', '', 'it is not a JSON object')]);
}

/** Applies the rules in docs/rules.md to an image manifest. */
function* checkManifest(manifest: ImageManifest): Iterable<Problem> {
  if (manifest.config.mediaType === MediaType.ociEmpty && manifest.artifactType === undefined) {
    yield error(
      'E-ARTIFACT-TYPE',
      '/config/mediaType',
      'artifactType is missing: a manifest with the empty config must state it',
    );
  }
  for (const [at, layer] of manifest.layers.entries()) {
    const pointer = pointerTo('layers', at);
    if (isForeignLayerType(layer.mediaType)) {
      yield warning(
        'W-FOREIGN',
        `${pointer}/mediaType`,
        'non-distributable layer: registries do not store it, so it cannot be copied',
      );
    }
    if (!isVerifiable(layer.digest)) {
      yield warning('E-DIGEST', `${pointer}/digest`, 'unsupported digest algorithm: the content cannot be verified');
    }
  }
}

import { MlistError, type Problem } from '../errors/errors.ts';
import { minimalDescriptor, type Annotations, type Descriptor } from './descriptor.ts';
import { digestProblem, isDigest, type Digest } from './digest.ts';
import { isJsonObject, type Json, type JsonObject } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { isIndexType, isMediaType } from './media-type.ts';
import { pointerTo } from '../json/pointer.ts';

/**
 * The descriptors in a manifest (image-spec v1.1.1 image-index.md and manifest.md). Each has only the media type,
 * digest, size and urls: the other members are neither checked nor returned.
 */
export interface Children {
  /** The entries of an index, which may be blobs. */
  readonly manifests: readonly Descriptor[];
  /** The config and the layers of an image manifest. */
  readonly blobs: readonly Descriptor[];
  readonly subject?: Descriptor;
}

/**
 * Parses a JSON document that must be an object.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` with all problems if it is not valid JSON or not an object
 */
export function readDocument(bytes: Uint8Array, limits: Parameters<typeof readJson>[1] = {}): JsonObject {
  const { value, problems } = readJson(bytes, limits);
  if (problems.length > 0) throw invalid(problems);
  if (!isJsonObject(value)) throw invalidAt('', 'it is not a JSON object');
  return value;
}

/**
 * Returns the descriptors in a manifest of this media type. `null` is read as an empty array, as in Go, and so are
 * missing `layers`.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if a descriptor is missing or invalid
 */
export function childrenIn(document: JsonObject, mediaType: string): Children {
  const { subject, config, layers, manifests } = document;
  const isIndex = isIndexType(mediaType);
  return {
    manifests: isIndex ? childrenAt(manifests, 'manifests') : [],
    blobs: isIndex ? [] : [childAt(config, 'config'), ...childrenAt(layers ?? null, 'layers')],
    ...(subject == null ? {} : { subject: minimalDescriptor(childAt(subject, 'subject')) }),
  };
}

/**
 * Returns the descriptor of a manifest for the list of its subject's referrers (distribution-spec v1.1.1 "Listing
 * Referrers"). The artifact type of an image manifest defaults to the media type of its config.
 */
export function referrerOf(descriptor: Descriptor, document: JsonObject): Descriptor {
  const { artifactType, config } = document;
  const configType = isJsonObject(config) && !isIndexType(descriptor.mediaType) ? config['mediaType'] : undefined;
  const type = typeof artifactType === 'string' && artifactType !== '' ? artifactType : configType;
  return {
    ...minimalDescriptor(descriptor),
    ...(typeof type === 'string' ? { artifactType: type } : {}),
    ...annotationsOf(document),
  };
}

/**
 * Returns the subject digest of a manifest of any type. Returns undefined if it has none, or if the digest is invalid.
 * Other members are not checked.
 */
export function subjectDigestIn({ subject }: JsonObject): Digest | undefined {
  const digest = isJsonObject(subject) ? subject['digest'] : undefined;
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
}

function childrenAt(value: Json | undefined, member: string): readonly Descriptor[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalidAt(pointerTo(member), 'must be an array');
  return (value as readonly Json[]).map((item, position) => childAt(item, member, position));
}

function childAt(value: Json | undefined, ...path: readonly (string | number)[]): Descriptor {
  const descriptor = minimalDescriptorAt(value, ...path);
  const { urls } = value as JsonObject;
  const strings = Array.isArray(urls) ? (urls as readonly Json[]).filter((url) => typeof url === 'string') : [];
  return strings.length === 0 ? descriptor : { ...descriptor, urls: strings };
}

/**
 * Returns the media type, digest, size and annotations of a descriptor. Other members are omitted.
 * @param path - the position of the descriptor in its document, for errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if one of these members is invalid
 */
export function descriptorAt(value: Json | undefined, ...path: readonly (string | number)[]): Descriptor {
  const descriptor = minimalDescriptorAt(value, ...path);
  const annotations = (value as JsonObject)['annotations'] ?? {};
  if (!areAnnotations(annotations)) {
    throw invalidAt(pointerTo(...path, 'annotations'), 'must be an object with string values');
  }
  return { ...descriptor, ...annotationsOf(value) };
}

function minimalDescriptorAt(value: Json | undefined, ...path: readonly (string | number)[]): Descriptor {
  if (!isJsonObject(value)) throw invalidAt(pointerTo(...path), 'must be a descriptor');
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string' || !isMediaType(mediaType)) {
    throw invalidAt(pointerTo(...path, 'mediaType'), 'must be a media type');
  }
  const problem = typeof digest === 'string' ? digestProblem(digest) : 'it must be a string';
  if (problem !== undefined) throw invalidAt(pointerTo(...path, 'digest'), `invalid digest: ${problem}`);
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    throw invalidAt(pointerTo(...path, 'size'), 'must be a non-negative integer');
  }
  return { mediaType, digest: digest as Descriptor['digest'], size: size as number };
}

/**
 * Returns an object with the `annotations` member of a descriptor or document, or an empty object if the member is
 * missing or malformed.
 */
export function annotationsOf(value: Json | undefined): { readonly annotations?: Annotations } {
  const { annotations } = isJsonObject(value) ? value : {};
  return areAnnotations(annotations) ? { annotations } : {};
}

function areAnnotations(value: Json | undefined): value is Annotations & JsonObject {
  return isJsonObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

function invalidAt(pointer: string, message: string): MlistError {
  return invalid([{ rule: 'E-SCHEMA', severity: 'error', pointer, message }]);
}

function invalid(problems: readonly Problem[]): MlistError {
  const [{ pointer, message } = { pointer: '', message: 'unreadable' }] = problems;
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', pointer === '' ? message : `${pointer}: ${message}`, {
    problems,
  });
}

import { MlistError, type Problem } from '../errors/errors.ts';
import { minimalDescriptor, type Annotations, type Descriptor } from './descriptor.ts';
import { digestProblem } from './digest.ts';
import { isJsonObject, type Json, type JsonObject } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { isIndexType, isMediaType } from './media-type.ts';
import { pointerTo } from '../json/pointer.ts';

/**
 * What a manifest points at: media type, digest, size and urls of each (image-spec v1.1.1 image-index.md and manifest.md).
 * No other member is checked.
 */
export interface Children {
  /** The entries of an index, which may be blobs. */
  readonly manifests: readonly Descriptor[];
  /** The config and the layers of an image manifest. */
  readonly blobs: readonly Descriptor[];
  readonly subject?: Descriptor;
}

/**
 * Reads a JSON document whose top is an object.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` with the problems.
 */
export function readDocument(bytes: Uint8Array, limits: Parameters<typeof readJson>[1] = {}): JsonObject {
  const { value, problems } = readJson(bytes, limits);
  if (problems.length > 0) throw invalid(problems);
  if (!isJsonObject(value)) throw wrong('', 'it is no JSON object');
  return value;
}

/**
 * What a manifest of the media type points at. `null` is an empty list, as in Go.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where a descriptor is missing or wrong.
 */
export function childrenIn(document: JsonObject, mediaType: string): Children {
  const { subject, config, layers, manifests } = document;
  const isIndex = isIndexType(mediaType);
  return {
    manifests: isIndex ? linksAt(manifests, 'manifests') : [],
    blobs: isIndex ? [] : [linkAt(config, 'config'), ...linksAt(layers ?? null, 'layers')],
    ...(subject == null ? {} : { subject: minimalDescriptor(linkAt(subject, 'subject')) }),
  };
}

/**
 * How a manifest with a subject is listed among the referrers of that subject (distribution-spec v1.1.1 "Listing
 * Referrers"): an image manifest that states no artifact type goes by the media type of its config.
 */
export function referrerOf(descriptor: Descriptor, document: JsonObject): Descriptor {
  const { artifactType, config } = document;
  const ofConfig = isJsonObject(config) && !isIndexType(descriptor.mediaType) ? config['mediaType'] : undefined;
  const type = typeof artifactType === 'string' && artifactType !== '' ? artifactType : ofConfig;
  return {
    ...minimalDescriptor(descriptor),
    ...(typeof type === 'string' ? { artifactType: type } : {}),
    ...annotationsOf(document),
  };
}

function linksAt(value: Json | undefined, member: string): readonly Descriptor[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw wrong(pointerTo(member), 'a list is expected');
  return (value as readonly Json[]).map((item, position) => linkAt(item, member, position));
}

function linkAt(value: Json | undefined, ...place: readonly (string | number)[]): Descriptor {
  const identity = identityAt(value, ...place);
  const { urls } = value as JsonObject;
  const addresses = Array.isArray(urls) ? (urls as readonly Json[]).filter((url) => typeof url === 'string') : [];
  return addresses.length === 0 ? identity : { ...identity, urls: addresses };
}

/** Media type, digest, size and annotations of the descriptor at a place of a document; all else is left out. */
export function descriptorAt(value: Json | undefined, ...place: readonly (string | number)[]): Descriptor {
  const identity = identityAt(value, ...place);
  const annotations = (value as JsonObject)['annotations'] ?? {};
  if (!areAnnotations(annotations))
    throw wrong(pointerTo(...place, 'annotations'), 'an object with string values is expected');
  return { ...identity, ...annotationsOf(value) };
}

/** Media type, digest and size. */
function identityAt(value: Json | undefined, ...place: readonly (string | number)[]): Descriptor {
  if (!isJsonObject(value)) throw wrong(pointerTo(...place), 'a descriptor is expected');
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string' || !isMediaType(mediaType)) {
    throw wrong(pointerTo(...place, 'mediaType'), 'a media type is expected');
  }
  const fault = typeof digest === 'string' ? digestProblem(digest) : 'not a text';
  if (fault !== undefined) throw wrong(pointerTo(...place, 'digest'), `no digest: ${fault}`);
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    throw wrong(pointerTo(...place, 'size'), 'a number of bytes is expected');
  }
  return { mediaType, digest: digest as Descriptor['digest'], size: size as number };
}

/** The annotations of a descriptor or a document, unless they are malformed. */
export function annotationsOf(value: Json | undefined): { readonly annotations?: Annotations } {
  const { annotations } = isJsonObject(value) ? value : {};
  return areAnnotations(annotations) ? { annotations } : {};
}

function areAnnotations(value: Json | undefined): value is Annotations & JsonObject {
  return isJsonObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

function wrong(pointer: string, message: string): MlistError {
  return invalid([{ rule: 'E-SCHEMA', severity: 'error', pointer, message }]);
}

function invalid(problems: readonly Problem[]): MlistError {
  const [{ pointer, message } = { pointer: '', message: 'unreadable' }] = problems;
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', pointer === '' ? message : `${pointer}: ${message}`, {
    problems,
  });
}

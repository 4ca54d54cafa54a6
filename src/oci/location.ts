import { MlistError, withHint } from '../errors/errors.ts';
import { parseDigest, type Digest } from './digest.ts';
import {
  formatEngineLocation,
  isEngineLocation,
  nameOfImage,
  parseEngineLocation,
  type EngineLocation,
} from './engine-location.ts';
import { locationHint } from './location-hint.ts';
import {
  formatReference,
  parseTypedReference,
  repositoryName,
  sameReference,
  sameRepository,
  withDefaultTag,
  withDigest,
  type Reference,
} from './reference.ts';

/**
 * The location of a manifest, in one of these forms, each with an optional `@DIGEST` at the end:
 * `[docker://]HOST/REPO[:TAG]` · `oci:DIR[:REF]` · `oci-archive:FILE[:REF]` ·
 * `docker-archive:FILE[:REF]` · `docker-daemon[@CONTEXT]:NAME[:TAG]` · `podman:NAME[:TAG]`.
 * The first colon after an optional drive letter separates the path from REF, which may contain `:` and `/`.
 */
export type Location = RegistryLocation | LocalLocation;

/** A location in a layout, an archive or an engine. */
export type LocalLocation = FileLocation | EngineLocation;

export interface RegistryLocation {
  readonly kind: 'registry';
  readonly reference: Reference;
  /**
   * Whether the location never refers to a draft: it was written with `docker://`, or mlist created it for content in a
   * registry.
   */
  readonly explicit: boolean;
}

export interface FileLocation {
  readonly kind: 'oci' | 'oci-archive' | 'docker-archive';
  /**
   * An absolute path, or a path relative to a folder that the caller knows. In drafts, that folder is the parent folder
   * of the workspace.
   */
  readonly path: string;
  readonly ref?: string;
  readonly digest?: Digest;
}

const fileKinds = ['oci', 'oci-archive', 'docker-archive'] as const;

/**
 * Whether an archive is read from stdin or written to stdout, as in `oci-archive:-`. The location of a file named `-`
 * has the path `./-`.
 */
export function isPipe(location: Location): boolean {
  return hasPath(location) && location.kind !== 'oci' && location.path === '-';
}

/** Whether a string starts with `oci:`, `oci-archive:` or `docker-archive:`. */
export function isFileLocation(text: string): boolean {
  return fileKinds.some((kind) => text.startsWith(`${kind}:`));
}

/** Whether a string starts with the prefix of a layout, an archive or an engine image. */
export function isLocalLocation(text: string): boolean {
  return isFileLocation(text) || isEngineLocation(text);
}

/** Whether a location is a layout or an archive. */
export function hasPath(location: Location): location is FileLocation {
  return 'path' in location;
}

/** Whether a location is an engine image. */
export function isInEngine(location: Location): location is EngineLocation {
  return 'image' in location;
}

/**
 * Parses a location. A reference that has neither a tag nor a digest gets the tag `latest`.
 * @throws MlistError `ERR_MLIST_DIGEST_INVALID` if the digest of a layout or archive is invalid;
 * `ERR_MLIST_REFERENCE_INVALID` if the location is otherwise invalid
 */
export function parseLocation(text: string): Location {
  const location = parseBareLocation(text);
  return location.kind === 'registry' ? { ...location, reference: withDefaultTag(location.reference) } : location;
}

/** Like `parseLocation`, but does not add the tag `latest` to references. */
export function parseBareLocation(text: string): Location {
  const kind = fileKinds.find((name) => text.startsWith(`${name}:`));
  if (kind !== undefined) return parseFile(kind, text.slice(kind.length + 1), text);
  if (isEngineLocation(text)) return parseEngineLocation(text);
  const explicit = text.startsWith('docker://');
  try {
    const reference = parseTypedReference(explicit ? text.slice('docker://'.length) : text);
    return { kind: 'registry', reference, explicit };
  } catch (thrown) {
    const hint = locationHint(text);
    throw hint !== undefined && thrown instanceof MlistError ? withHint(thrown, hint) : thrown;
  }
}

function parseFile(kind: FileLocation['kind'], rest: string, text: string): FileLocation {
  const digest = /@(?:sha256|sha384|sha512|blake3):[A-Za-z0-9=_-]+$/.exec(rest);
  const pathAndRef = digest === null ? rest : rest.slice(0, digest.index);
  const drive = /^[A-Za-z]:[\\/]/.test(pathAndRef) ? 2 : 0;
  const colon = pathAndRef.indexOf(':', drive);
  const path = colon < 0 ? pathAndRef : pathAndRef.slice(0, colon);
  const ref = colon < 0 ? '' : pathAndRef.slice(colon + 1);
  const invalid = `invalid location ${JSON.stringify(text)}`;
  if (path === '') throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${invalid}: the path is missing`);
  if (text.includes('\0'))
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${invalid}: it contains a NUL character`);
  return {
    kind,
    path,
    ...(ref === '' ? {} : { ref }),
    ...(digest === null ? {} : { digest: parseDigest(digest[0].slice(1)) }),
  };
}

/**
 * Returns the canonical text of a location. It is stored in drafts, shown in messages, and used as a key in maps and
 * sets.
 */
export function formatLocation(location: Location): string {
  if (location.kind === 'registry') {
    const reference = formatReference(location.reference);
    return isLocalLocation(reference) ? `docker://${reference}` : reference;
  }
  if (isInEngine(location)) return formatEngineLocation(location);
  const { kind, path, ref, digest } = location;
  return `${kind}:${path}${ref === undefined ? '' : `:${ref}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** Whether two locations have the same canonical text. */
export function sameLocation(left: Location, right: Location): boolean {
  if (left.kind === 'registry') return right.kind === 'registry' && sameReference(left.reference, right.reference);
  if (isInEngine(left)) return isInEngine(right) && formatEngineLocation(left) === formatEngineLocation(right);
  if (left.kind !== right.kind || left.path !== right.path) return false;
  return left.ref === right.ref && left.digest === right.digest;
}

/** Returns the tag, the REF or the engine image name of a target. Returns undefined if the target has none. */
export function nameOfTarget(location: Location): string | undefined {
  if (isInEngine(location)) return nameOfImage(location.image);
  return location.kind === 'registry' ? location.reference.tag : location.ref;
}

/** Returns the manifest digest in a location. Returns undefined if it has none. Image IDs of engines are ignored. */
export function digestIn(location: Location): Digest | undefined {
  if (!isInEngine(location)) return location.kind === 'registry' ? location.reference.digest : location.digest;
  const { image, digest } = location;
  return digest ?? (typeof image === 'string' ? undefined : image.digest);
}

/**
 * Returns the location with a digest instead of its tag or REF. An engine image keeps its name, because engines do not
 * look up the manifests in an image by digest alone.
 */
export function atDigest(location: Location, digest: Digest): Location {
  if (location.kind === 'registry') return { ...location, reference: withDigest(location.reference, digest) };
  if (isInEngine(location)) return { ...location, digest };
  return { kind: location.kind, path: location.path, digest };
}

/**
 * Whether two locations are in the same repository, layout, archive or engine. False for stdin and stdout, which are
 * different streams.
 */
export function sameStore(left: Location, right: Location): boolean {
  if (isPipe(left)) return false;
  if (left.kind === 'registry') return right.kind === 'registry' && sameRepository(left.reference, right.reference);
  if (left.kind !== right.kind) return false;
  return hasPath(left)
    ? hasPath(right) && left.path === right.path
    : isInEngine(right) && left.context === right.context;
}

/** Returns the name of a store for messages and as a key: `domain/path`, the kind and path of a file, or the engine. */
export function storeName(location: Location): string {
  if (location.kind === 'registry') return repositoryName(location.reference);
  if (hasPath(location)) return `${location.kind}:${location.path}`;
  return location.context === undefined ? location.kind : `${location.kind}@${location.context}`;
}

/** Returns the digest of a reference, otherwise its tag, otherwise `latest`. */
export function nameIn({ reference }: RegistryLocation): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

import { MlistError, withHint } from '../errors/errors.ts';
import { parseDigest, type Digest } from './digest.ts';
import { locationHint } from './location-hint.ts';
import {
  formatReference,
  parseTypedReference,
  sameReference,
  sameRepository,
  withDefaultTag,
  withDigest,
  type Reference,
} from './reference.ts';

/**
 * The location of a manifest. Registries are the default:
 * `[docker://]HOST/REPO[:TAG][@DIGEST]` · `oci:DIR[:REF][@DIGEST]` · `oci-archive:FILE[:REF]` · `docker-archive:FILE[:REF]`.
 * The first colon after an optional drive letter separates the path from REF, which may contain `:` and `/`.
 */
export type Location = RegistryLocation | FileLocation;

export interface RegistryLocation {
  readonly kind: 'registry';
  readonly reference: Reference;
  /** Written with `docker://`, so that it never means a draft. */
  readonly explicit: boolean;
}

export interface FileLocation {
  readonly kind: 'oci' | 'oci-archive' | 'docker-archive';
  /** Absolute, or relative to a folder that the caller knows: for drafts, the parent folder of the workspace. */
  readonly path: string;
  readonly ref?: string;
  readonly digest?: Digest;
}

const fileKinds = ['oci', 'oci-archive', 'docker-archive'] as const;

/** Whether an archive is read from stdin, or written to stdout: `oci-archive:-`. A file of that name is `./-`. */
export function isPipe(location: Location): boolean {
  return location.kind !== 'registry' && location.kind !== 'oci' && location.path === '-';
}

/** Whether a string starts with a prefix of locations that have a path, such as `oci:`. */
export function isFileLocation(text: string): boolean {
  return fileKinds.some((kind) => text.startsWith(`${kind}:`));
}

/**
 * Parses a location. A registry reference without tag and digest gets the tag `latest`.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID`, `ERR_MLIST_DIGEST_INVALID`
 */
export function parseLocation(text: string): Location {
  const location = parseBareLocation(text);
  return location.kind === 'registry' ? { ...location, reference: withDefaultTag(location.reference) } : location;
}

/** Like `parseLocation`, without adding the tag `latest`. */
export function parseBareLocation(text: string): Location {
  const kind = fileKinds.find((name) => text.startsWith(`${name}:`));
  if (kind !== undefined) return parseFile(kind, text.slice(kind.length + 1), text);
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
  if (path === '') throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${JSON.stringify(text)} has no path`);
  if (text.includes('\0'))
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${JSON.stringify(text)} contains a NUL character`);
  return {
    kind,
    path,
    ...(ref === '' ? {} : { ref }),
    ...(digest === null ? {} : { digest: parseDigest(digest[0].slice(1)) }),
  };
}

/** The canonical text of a location: it is stored in drafts, shown in messages, and used as the key of maps and sets. */
export function formatLocation(location: Location): string {
  if (location.kind === 'registry') return formatReference(location.reference);
  const { kind, path, ref, digest } = location;
  return `${kind}:${path}${ref === undefined ? '' : `:${ref}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** Whether two locations have the same canonical text. */
export function sameLocation(left: Location, right: Location): boolean {
  if (left.kind === 'registry') return right.kind === 'registry' && sameReference(left.reference, right.reference);
  if (left.kind !== right.kind || left.path !== right.path) return false;
  return left.ref === right.ref && left.digest === right.digest;
}

/** The tag or REF of a target; undefined if the target has none. */
export function nameOfTarget(location: Location): string | undefined {
  return location.kind === 'registry' ? location.reference.tag : location.ref;
}

/** The digest in a location; undefined if it has none. */
export function digestIn(location: Location): Digest | undefined {
  return location.kind === 'registry' ? location.reference.digest : location.digest;
}

/** The location with a digest instead of a tag or REF. */
export function atDigest(location: Location, digest: Digest): Location {
  if (location.kind === 'registry') return { ...location, reference: withDigest(location.reference, digest) };
  return { kind: location.kind, path: location.path, digest };
}

/** Whether two locations are in the same repository, layout or archive. What is written to stdout is not read from stdin. */
export function sameStore(left: Location, right: Location): boolean {
  if (isPipe(left)) return false;
  if (left.kind === 'registry') return right.kind === 'registry' && sameRepository(left.reference, right.reference);
  return left.kind === right.kind && left.path === right.path;
}

/** The name of the manifest in its repository: the digest, else the tag, else `latest`. */
export function nameIn({ reference }: RegistryLocation): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

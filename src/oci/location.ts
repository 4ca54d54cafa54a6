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
 * Where a manifest lies. Registries are the default:
 * `[docker://]HOST/REPO[:TAG][@DIGEST]` · `oci:DIR[:REF][@DIGEST]` · `oci-archive:FILE[:REF]` · `docker-archive:FILE[:REF]`.
 * After `oci:` an optional drive letter, then the first colon splits; a REF may hold `:` and `/`.
 */
export type Location = RegistryLocation | FileLocation;

export interface RegistryLocation {
  readonly kind: 'registry';
  readonly reference: Reference;
  /** The author wrote `docker://`: never a draft. */
  readonly explicit: boolean;
}

export interface FileLocation {
  readonly kind: 'oci' | 'oci-archive' | 'docker-archive';
  /** Absolute, or relative to a folder that whoever opens it knows: for a workspace, the one that it lies in. */
  readonly path: string;
  readonly ref?: string;
  readonly digest?: Digest;
}

const fileKinds = ['oci', 'oci-archive', 'docker-archive'] as const;

/** Whether a text is a location with a path, by its beginning: whatever else it might be is not asked. */
export function isFileLocation(text: string): boolean {
  return fileKinds.some((kind) => text.startsWith(`${kind}:`));
}

/**
 * Reads a location. A registry reference gets the tag `latest` where it has neither tag nor digest.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID`, `ERR_MLIST_DIGEST_INVALID`
 */
export function parseLocation(text: string): Location {
  const location = parseBareLocation(text);
  return location.kind === 'registry' ? { ...location, reference: withDefaultTag(location.reference) } : location;
}

/** The same with nothing added: for places where a location without a tag means another one than `latest`. */
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
  const at = /@(?:sha256|sha384|sha512|blake3):[A-Za-z0-9=_-]+$/.exec(rest);
  const named = at === null ? rest : rest.slice(0, at.index);
  const drive = /^[A-Za-z]:[\\/]/.test(named) ? 2 : 0;
  const colon = named.indexOf(':', drive);
  const path = colon < 0 ? named : named.slice(0, colon);
  const ref = colon < 0 ? '' : named.slice(colon + 1);
  if (path === '')
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${JSON.stringify(text)} names no folder or file`);
  if (text.includes('\0'))
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${JSON.stringify(text)} contains a NUL character`);
  return {
    kind,
    path,
    ...(ref === '' ? {} : { ref }),
    ...(at === null ? {} : { digest: parseDigest(at[0].slice(1)) }),
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

/** The tag that a target names; undefined where it leaves it to what is put there. */
export function nameOfTarget(location: Location): string | undefined {
  return location.kind === 'registry' ? location.reference.tag : location.ref;
}

/** The digest that a location names; undefined where it names none. */
export function digestIn(location: Location): Digest | undefined {
  return location.kind === 'registry' ? location.reference.digest : location.digest;
}

/** The same place with a digest instead of a name that may move. */
export function atDigest(location: Location, digest: Digest): Location {
  if (location.kind === 'registry') return { ...location, reference: withDigest(location.reference, digest) };
  return { kind: location.kind, path: location.path, digest };
}

/** Whether two locations are in one repository, one layout or one archive. */
export function sameStore(left: Location, right: Location): boolean {
  if (left.kind === 'registry') return right.kind === 'registry' && sameRepository(left.reference, right.reference);
  return left.kind === right.kind && left.path === right.path;
}

/** What of a reference names a manifest in its repository: a digest before a tag; `latest` where there is neither. */
export function nameIn({ reference }: RegistryLocation): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

import { MlistError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest } from '../oci/digest.ts';
import { isJsonObject, type Json, type JsonObject } from '../oci/json.ts';
import { readJson } from '../oci/json-read.ts';
import { parseReference, sameRepository, withDigest, type Reference } from '../oci/reference.ts';
import { checkDescriptor } from '../schema/document.ts';
import type { ManifestArgument } from './resolve-source.ts';

/** Sources that come in a file: lines, or the JSON that build tools leave behind. */
export interface SourceParsing {
  /** Where digests without a repository lie. */
  readonly list: Reference;
  /** Reads `MANIFEST[=PLATFORM]`. */
  readonly parse: (text: string) => ManifestArgument;
}

/**
 * Reads sources: one a line, with `#` comments; a descriptor or an array of them; an index, for its descriptors; or the
 * metadata of a build (`containerimage.digest` and `image.name`), also of several targets.
 * @param name - of the file, for errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`, or what reading a reference throws
 */
export function parseSources(bytes: Uint8Array, name: string, parsing: SourceParsing): readonly ManifestArgument[] {
  const text = Buffer.from(bytes).toString('utf8');
  return /^\s*[[{]/.test(text) ? fromJson(bytes, name, parsing) : fromLines(text, parsing);
}

function fromLines(text: string, { list, parse }: SourceParsing): readonly ManifestArgument[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
    .map((line) =>
      isDigest(line)
        ? { location: { kind: 'registry', reference: withDigest(list, line), explicit: true } }
        : parse(line),
    );
}

function fromJson(bytes: Uint8Array, name: string, parsing: SourceParsing): readonly ManifestArgument[] {
  const { value, problems } = readJson(bytes);
  if (value === undefined || problems.length > 0) throw refused(name, problems[0]?.message ?? 'it is no JSON');
  const sources = sourcesIn(value, name, parsing.list);
  if (sources.length === 0) throw refused(name, 'it is neither a descriptor, an index nor the metadata of a build');
  return sources;
}

function sourcesIn(value: Json, name: string, list: Reference): readonly ManifestArgument[] {
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap((item) => sourcesIn(item, name, list));
  if (!isJsonObject(value)) return [];
  if (Array.isArray(value['manifests']))
    return (value['manifests'] as readonly Json[]).map((item) => described(item, name, list));
  if ('digest' in value && 'mediaType' in value) return [described(value, name, list)];
  if (isBuilt(value)) return [built(value, name, list)];
  return Object.values(value).flatMap((target) =>
    isJsonObject(target) && isBuilt(target) ? [built(target, name, list)] : [],
  );
}

function described(value: Json, name: string, list: Reference): ManifestArgument {
  const [problem] = checkDescriptor(value);
  if (problem !== undefined)
    throw refused(name, `a descriptor in it is wrong: ${problem.message} at ${problem.pointer}`);
  const descriptor = value as unknown as Descriptor;
  return {
    location: { kind: 'registry', reference: withDigest(list, descriptor.digest), explicit: true },
    described: descriptor,
  };
}

/** What `docker buildx build` or `imagetools create` writes of what it has pushed. */
function isBuilt(value: JsonObject): boolean {
  return 'containerimage.digest' in value || 'containerimage.descriptor' in value;
}

/**
 * What was built, at the digest that it got: in the list's own repository where it was pushed there, else under the first
 * name that it was pushed under.
 */
function built(metadata: JsonObject, name: string, list: Reference): ManifestArgument {
  const descriptor = metadata['containerimage.descriptor'];
  const digest = metadata['containerimage.digest'] ?? (isJsonObject(descriptor) ? descriptor['digest'] : undefined);
  const names = metadata['image.name'];
  if (typeof digest !== 'string' || !isDigest(digest)) throw refused(name, '"containerimage.digest" is no digest');
  const pushed = (typeof names === 'string' ? names.split(',') : [])
    .map((one) => one.trim())
    .filter((one) => one !== '');
  const references = pushed.map((one) => parseReference(one));
  const own = references.find((one) => sameRepository(one, list));
  return {
    location: { kind: 'registry', reference: withDigest(own ?? references[0] ?? list, digest), explicit: true },
  };
}

/**
 * Reads the metadata files of builds, and nothing else.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`
 */
export function parseBuildMetadata(bytes: Uint8Array, name: string, list: Reference): readonly ManifestArgument[] {
  const { value, problems } = readJson(bytes);
  if (problems.length > 0) throw refused(name, problems[0]?.message ?? 'it is no JSON');
  const targets = isJsonObject(value) && !isBuilt(value) ? Object.values(value) : [value];
  const builds = targets.filter((target): target is JsonObject => isJsonObject(target) && isBuilt(target));
  if (builds.length > 0) return builds.map((target) => built(target, name, list));
  throw refused(name, 'it says no "containerimage.digest", so it is no metadata of a build that was pushed');
}

function refused(name: string, reason: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${name} cannot be used: ${reason}`, { path: name });
}

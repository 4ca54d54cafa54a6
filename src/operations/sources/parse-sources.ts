import { MlistError } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, isDigest, isDigestName, parseDigest, type Digest } from '../../oci/digest.ts';
import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import { writeJson } from '../../json/stringify.ts';
import { parseReference, sameRepository, tryParseReference, withDigest, type Reference } from '../../oci/reference.ts';
import { checkDescriptor, readIndex } from '../../schema/documents.ts';
import type { ManifestArgument } from './read-source.ts';

/** Options for parsing the sources in a file. */
export interface SourceParsing {
  readonly list: Reference;
  /** The repository of sources that are only a digest. Default: the repository of the list. */
  readonly repository?: Reference | undefined;
  /** Parses `MANIFEST[=PLATFORM]`. */
  readonly parse: (text: string) => ManifestArgument;
}

/**
 * Parses sources in one of these formats:
 * - text with one source per line, and `#` comments
 * - a descriptor, or an array of descriptors
 * - an index, which is one source
 * - the metadata of a build of one or more targets (`containerimage.digest` and `image.name`)
 * - other JSON that contains digests, such as the outputs of CI jobs
 * @param name - the name of the file, for errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the file is invalid or has no sources;
 * `ERR_MLIST_REFERENCE_INVALID` if a line is not a valid reference
 */
export function parseSources(bytes: Uint8Array, name: string, parsing: SourceParsing): readonly ManifestArgument[] {
  const text = Buffer.from(bytes).toString('utf8');
  return /^\s*[[{"]/.test(text) || jsonScalar.test(text) ? fromJson(bytes, name, parsing) : fromLines(text, parsing);
}

/**
 * Matches a JSON number, `true`, `false` or `null`. A file with only such a value is the output of a CI job without
 * digests, and does not contain the name of an image.
 */
const jsonScalar = /^\s*(?:null|true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*$/;

function fromLines(text: string, { list, repository = list, parse }: SourceParsing): readonly ManifestArgument[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
    .map((line) => (isDigestName(line) ? digestOnlyArgument(repository, line) : parse(line)));
}

export function digestOnlyArgument(repository: Reference, digest: Digest): ManifestArgument {
  return {
    location: { kind: 'registry', reference: withDigest(repository, digest), explicit: true },
    isDigestOnly: true,
  };
}

function fromJson(bytes: Uint8Array, name: string, parsing: SourceParsing): readonly ManifestArgument[] {
  const { value, problems } = readJson(bytes);
  if (value === undefined || problems.length > 0) throw unusableFile(name, problems[0]?.message ?? 'it is not JSON');
  const sources = sourcesIn(value, { ...parsing, name }, bytes);
  if (sources.length === 0) throw unusableFile(name, 'it contains no descriptor, index, build metadata or digest');
  return sources;
}

interface Reading extends Omit<SourceParsing, 'parse'> {
  readonly name: string;
}

/**
 * Returns the sources in a JSON value.
 * @param bytes - the bytes of the file, if the value is the whole file
 */
function sourcesIn(value: Json, reading: Reading, bytes?: Uint8Array): readonly ManifestArgument[] {
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap((item) => sourcesIn(item, reading));
  if (!isJsonObject(value)) return digestsIn(value, reading);
  const { manifests, ...others } = value;
  if (Array.isArray(manifests) && Object.keys(others).length === 0) return sourcesIn(manifests, reading);
  if (Array.isArray(manifests)) return [given(bytes ?? Buffer.from(writeJson(value)), reading)];
  return isDescriptor(value) ? [described(value, reading)] : digestsIn(value, reading);
}

function isDescriptor(value: JsonObject): boolean {
  return 'digest' in value && 'mediaType' in value;
}

/**
 * Matches the names of build metadata members. These members are not searched for digests, because some of them contain
 * digests of content other than images.
 */
const metadataMember = /^(?:containerimage|buildx)\./;

/**
 * Finds digests, and references with a digest, at any depth of a JSON value, such as the outputs of CI jobs or the
 * metadata of a build of several targets (`docker buildx bake`). Nested manifests and descriptors are skipped, because
 * their digests belong to configs and layers.
 */
function digestsIn(value: Json, reading: Reading): readonly ManifestArgument[] {
  if (typeof value === 'string') return digestArgument(value, reading.repository ?? reading.list);
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap((item) => digestsIn(item, reading));
  if (!isJsonObject(value) || 'schemaVersion' in value || isDescriptor(value)) return [];
  if (isBuilt(value)) return [built(value, reading)];
  return Object.entries(value)
    .filter(([name]) => !metadataMember.test(name))
    .flatMap(([, member]) => digestsIn(member, reading));
}

/**
 * Returns an array with one argument if `text` is a sha256 digest or a reference with a digest, and an empty array
 * otherwise. Whitespace around the text is ignored.
 * @param repository - the repository to use if the text is only a digest
 */
export function digestArgument(text: string, repository: Reference): readonly ManifestArgument[] {
  const name = text.trim();
  if (/^sha256:[0-9a-f]{64}$/.test(name)) return [digestOnlyArgument(repository, parseDigest(name))];
  const reference = name.includes('@') ? tryParseReference(name) : undefined;
  if (reference?.digest === undefined) return [];
  return [{ location: { kind: 'registry', reference, explicit: true } }];
}

function given(bytes: Uint8Array, { name, list, repository = list }: Reading): ManifestArgument {
  const document = readIndex(bytes, undefined, name);
  const digest = digestOf(bytes);
  const content = { descriptor: { mediaType: document.mediaType, digest, size: bytes.length }, bytes };
  return { ...digestOnlyArgument(repository, digest), given: { name, document, content } };
}

function described(value: Json, { name, list, repository = list }: Reading): ManifestArgument {
  const [problem] = checkDescriptor(value);
  if (problem !== undefined)
    throw unusableFile(name, `it contains an invalid descriptor: ${problem.message} at ${problem.pointer}`);
  const descriptor = value as unknown as Descriptor;
  return { ...digestOnlyArgument(repository, descriptor.digest), described: descriptor };
}

/** Whether a value is metadata that `docker buildx build` or `docker buildx imagetools create` writes after a push. */
function isBuilt(value: JsonObject): boolean {
  return 'containerimage.digest' in value || 'containerimage.descriptor' in value;
}

/**
 * Returns an argument for the image of a build, with its digest. The argument refers to the repository of the list if
 * the image was pushed there, or else to the first repository that it was pushed to. If the metadata has no image name,
 * the default repository is used.
 */
function built(metadata: JsonObject, { name, list, repository = list }: Reading): ManifestArgument {
  const descriptor = metadata['containerimage.descriptor'];
  const digest = metadata['containerimage.digest'] ?? (isJsonObject(descriptor) ? descriptor['digest'] : undefined);
  const names = metadata['image.name'];
  if (typeof digest !== 'string' || !isDigest(digest))
    throw unusableFile(name, 'it has no valid "containerimage.digest"');
  const pushed = (typeof names === 'string' ? names.split(',') : [])
    .map((one) => one.trim())
    .filter((one) => one !== '');
  const references = pushed.map((one) => parseReference(one));
  const own = references.find((one) => sameRepository(one, list));
  const place = own ?? references[0];
  if (place === undefined) return digestOnlyArgument(repository, digest);
  return { location: { kind: 'registry', reference: withDigest(place, digest), explicit: true } };
}

/**
 * Parses a build metadata file, which has one target or, after `docker buildx bake`, several. Returns an argument for
 * each pushed image.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the file is not build metadata, or has no digest
 */
export function parseBuildMetadata(
  bytes: Uint8Array,
  name: string,
  { list, repository }: Omit<SourceParsing, 'parse'>,
): readonly ManifestArgument[] {
  const { value, problems } = readJson(bytes);
  if (problems.length > 0) throw unusableFile(name, problems[0]?.message ?? 'it is not JSON');
  const targets = isJsonObject(value) && !isBuilt(value) ? Object.values(value) : [value];
  const builds = targets.filter((target): target is JsonObject => isJsonObject(target) && isBuilt(target));
  if (builds.length > 0) return builds.map((target) => built(target, { name, list, repository }));
  throw unusableFile(name, 'it has no "containerimage.digest", so it is not the metadata of a build that was pushed');
}

export function unusableFile(name: string, reason: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${name} cannot be used: ${reason}`, { path: name });
}

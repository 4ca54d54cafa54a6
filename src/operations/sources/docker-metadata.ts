import { isAttestationEntry, platformOf, type Draft, type Entry } from '../../draft/draft.ts';
import { changeEntry } from '../../draft/draft-edit.ts';
import { matchesPlatform } from '../../draft/entry-selection.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import type { Annotations } from '../../oci/descriptor.ts';
import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import { isLocalLocation } from '../../oci/location.ts';
import { parsePlatform, type Platform } from '../../oci/platform/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import { unusableFile } from './parse-sources.ts';

/** The members of docker/metadata-action's `json` output (DOCKER_METADATA_OUTPUT_JSON) that concern a list. */
export interface DockerMetadata {
  /** Full references. */
  readonly tags: readonly string[];
  /** The annotations of the list itself. */
  readonly annotations: Annotations;
  /** The annotations of entries, for one platform or for all images. */
  readonly entries: readonly EntryAnnotations[];
  /** Annotations that neither a list nor its entries can have, unparsed. */
  readonly unsupported: readonly string[];
}

export interface EntryAnnotations {
  readonly platform?: Platform;
  readonly annotations: Annotations;
}

/**
 * Matches the types before the key of an annotation, as in `docker buildx build --annotation`: for example,
 * `manifest-descriptor[linux/amd64]:` or `index,manifest:`. Without a type, the annotation is for the index.
 */
const LEVELS = /^((?:index|manifest|index-descriptor|manifest-descriptor)(?:\[[^\]]*\])?(?:,(?=[a-z])|:))+/;

interface Level {
  readonly type: string;
  readonly platform?: Platform;
}

/**
 * Parses the output of docker/metadata-action. The list gets the labels, and the annotations of the manifest (the
 * default of the action) and of the index. If a key occurs more than once, the index takes precedence over the
 * manifest, and the manifest over labels. Entries get the annotations of the manifest descriptor.
 * @param name - the name of the file or variable, for errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the bytes are not such an output, or if a tag is a local location
 */
export function parseDockerMetadata(bytes: Uint8Array, name: string): DockerMetadata {
  const { value, problems } = readJson(bytes);
  if (value === undefined || problems.length > 0) throw unusableFile(name, problems[0]?.message ?? 'it is not JSON');
  if (!isJsonObject(value) || !('tags' in value || 'annotations' in value || 'labels' in value)) {
    throw unusableFile(name, 'it has neither tags nor labels nor annotations');
  }
  const given = stringsIn(value, 'annotations', name).map((text) => ({ text, ...parseAnnotation(text, name) }));
  const of = (type: string, isForAll: boolean) =>
    given.flatMap(({ levels, pair }) =>
      levels.filter((level) => level.type === type && (level.platform === undefined) === isForAll).map(() => pair),
    );
  const isHeld = ({ type, platform }: Level): boolean =>
    type === 'manifest-descriptor' || (platform === undefined && type !== 'index-descriptor');
  return {
    tags: tagsIn(value, name),
    annotations: Object.fromEntries([...labelsIn(value, name), ...of('manifest', true), ...of('index', true)]),
    entries: given.flatMap(({ levels, pair }) =>
      levels
        .filter(({ type }) => type === 'manifest-descriptor')
        .map(({ platform }) => ({
          ...(platform === undefined ? {} : { platform }),
          annotations: Object.fromEntries([pair]),
        })),
    ),
    unsupported: given.flatMap(({ text, levels }) => (levels.some(isHeld) ? [] : [text])),
  };
}

function parseAnnotation(
  text: string,
  name: string,
): { readonly levels: readonly Level[]; readonly pair: readonly [string, string] } {
  const [prefix = ''] = LEVELS.exec(text) ?? [];
  const rest = text.slice(prefix.length);
  const at = rest.indexOf('=');
  if (at < 1) throw unusableFile(name, `${JSON.stringify(text)} is not an annotation of the form [TYPE:]KEY=VALUE`);
  const levels = prefix === '' ? [{ type: 'index' }] : prefix.slice(0, -1).split(',').map(parseLevel);
  return { levels, pair: [rest.slice(0, at), rest.slice(at + 1)] };
}

function parseLevel(text: string): Level {
  const [, type = '', platform] = /^([a-z-]+)(?:\[(.*)\])?$/.exec(text) ?? [];
  return platform === undefined || platform === '' ? { type } : { type, platform: parsePlatform(platform) };
}

function stringsIn(document: JsonObject, member: string, name: string): readonly string[] {
  const value: Json = document[member] ?? [];
  if (Array.isArray(value) && (value as readonly Json[]).every((one) => typeof one === 'string'))
    return value as readonly string[];
  throw unusableFile(name, `"${member}" is not an array of strings`);
}

/**
 * Returns the tags in the metadata. Local locations, such as layouts and archives, are refused, because the tags
 * determine where the list is pushed.
 */
function tagsIn(document: JsonObject, name: string): readonly string[] {
  const tags = stringsIn(document, 'tags', name);
  const local = tags.find(isLocalLocation);
  if (local === undefined) return tags;
  throw unusableFile(name, `the tag ${JSON.stringify(local)} is a local location, not a registry reference`);
}

function labelsIn(document: JsonObject, name: string): readonly (readonly [string, string])[] {
  const value: Json = document['labels'] ?? {};
  const pairs = isJsonObject(value) ? Object.entries(value) : undefined;
  if (pairs?.every((pair): pair is [string, string] => typeof pair[1] === 'string') === true) return pairs;
  throw unusableFile(name, '"labels" is not an object with string values');
}

/**
 * Sets annotations on the images of a draft. Annotations with a platform are set only on images for this platform.
 * Attestations are skipped.
 */
export async function annotateImages(
  list: Reference,
  given: readonly EntryAnnotations[],
  { workspace, signal }: { readonly workspace: Workspace; readonly signal?: AbortSignal | undefined },
): Promise<Draft> {
  const edit = (before: Draft | undefined): Draft | undefined =>
    before && { ...before, entries: before.entries.map((entry) => given.reduce(annotated, entry)) };
  return (await workspace.update(list, edit, { signal })).draft;
}

function annotated(entry: Entry, { platform, annotations }: EntryAnnotations): Entry {
  const isMeant =
    !isAttestationEntry(entry) && (platform === undefined || matchesPlatform(platformOf(entry), platform));
  return isMeant ? changeEntry(entry, { annotations }) : entry;
}

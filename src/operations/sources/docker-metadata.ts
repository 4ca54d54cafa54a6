import { MlistError } from '../../errors/errors.ts';
import { isAttestationEntry, platformOf, type Draft, type Entry } from '../../draft/draft.ts';
import { changeEntry } from '../../draft/draft-edit.ts';
import { matchesPlatform } from '../../draft/entry-selection.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import type { Annotations } from '../../oci/descriptor.ts';
import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import { parsePlatform, type Platform } from '../../oci/platform/platform.ts';
import type { Reference } from '../../oci/reference.ts';

/** What docker/metadata-action says of a build (its `json` output, DOCKER_METADATA_OUTPUT_JSON), as far as a list goes. */
export interface DockerMetadata {
  /** Full references. */
  readonly tags: readonly string[];
  /** For the list itself. */
  readonly annotations: Annotations;
  /** For entries: those of a platform, or all images where none is named. */
  readonly entries: readonly EntryAnnotations[];
  /** Annotations that a list cannot hold, as they were given. */
  readonly left: readonly string[];
}

export interface EntryAnnotations {
  readonly platform?: Platform;
  readonly annotations: Annotations;
}

/** `TYPE[PLATFORM],TYPE:KEY=VALUE`, as `docker buildx build --annotation` takes it; no type is the list. */
const LEVELS = /^((?:index|manifest|index-descriptor|manifest-descriptor)(?:\[[^\]]*\])?(?:,(?=[a-z])|:))+/;

interface Level {
  readonly type: string;
  readonly platform?: Platform;
}

/**
 * Reads it. Annotations of the index are the list's; so are those of the manifest, which in the action are the default and
 * mean the image that the tag stands for, and labels that no annotation repeats: what is nearer to the list wins.
 * Annotations of the manifest's descriptor are the entries'.
 * @param name - of the file or variable, for errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`
 */
export function parseDockerMetadata(bytes: Uint8Array, name: string): DockerMetadata {
  const { value, problems } = readJson(bytes);
  if (value === undefined || problems.length > 0) throw refused(name, problems[0]?.message ?? 'it is no JSON');
  if (!isJsonObject(value) || !('tags' in value || 'annotations' in value || 'labels' in value)) {
    throw refused(name, 'it has neither tags nor labels nor annotations');
  }
  const said = textsIn(value, 'annotations', name).map((text) => ({ text, ...annotationIn(text, name) }));
  const of = (type: string, isForAll: boolean) =>
    said.flatMap(({ levels, pair }) =>
      levels.filter((level) => level.type === type && (level.platform === undefined) === isForAll).map(() => pair),
    );
  const isHeld = ({ type, platform }: Level): boolean =>
    type === 'manifest-descriptor' || (platform === undefined && type !== 'index-descriptor');
  return {
    tags: textsIn(value, 'tags', name),
    annotations: Object.fromEntries([...labelsIn(value, name), ...of('manifest', true), ...of('index', true)]),
    entries: said.flatMap(({ levels, pair }) =>
      levels
        .filter(({ type }) => type === 'manifest-descriptor')
        .map(({ platform }) => ({
          ...(platform === undefined ? {} : { platform }),
          annotations: Object.fromEntries([pair]),
        })),
    ),
    left: said.flatMap(({ text, levels }) => (levels.some(isHeld) ? [] : [text])),
  };
}

function annotationIn(
  text: string,
  name: string,
): { readonly levels: readonly Level[]; readonly pair: readonly [string, string] } {
  const [prefix = ''] = LEVELS.exec(text) ?? [];
  const rest = text.slice(prefix.length);
  const at = rest.indexOf('=');
  if (at < 1) throw refused(name, `${JSON.stringify(text)} is no annotation: [TYPE:]KEY=VALUE is expected`);
  const levels = prefix === '' ? [{ type: 'index' }] : prefix.slice(0, -1).split(',').map(levelIn);
  return { levels, pair: [rest.slice(0, at), rest.slice(at + 1)] };
}

function levelIn(text: string): Level {
  const [, type = '', platform] = /^([a-z-]+)(?:\[(.*)\])?$/.exec(text) ?? [];
  return platform === undefined || platform === '' ? { type } : { type, platform: parsePlatform(platform) };
}

function textsIn(document: JsonObject, member: string, name: string): readonly string[] {
  const value: Json = document[member] ?? [];
  if (Array.isArray(value) && (value as readonly Json[]).every((one) => typeof one === 'string'))
    return value as readonly string[];
  throw refused(name, `"${member}" is no list of texts`);
}

function labelsIn(document: JsonObject, name: string): readonly (readonly [string, string])[] {
  const value: Json = document['labels'] ?? {};
  const pairs = isJsonObject(value) ? Object.entries(value) : undefined;
  if (pairs?.every((pair): pair is [string, string] => typeof pair[1] === 'string') === true) return pairs;
  throw refused(name, '"labels" is no object of texts');
}

/** Annotates images of a draft: all of a platform, or all. */
export async function annotateImages(
  list: Reference,
  said: readonly EntryAnnotations[],
  { workspace, signal }: { readonly workspace: Workspace; readonly signal?: AbortSignal | undefined },
): Promise<Draft> {
  const edit = (before: Draft | undefined): Draft | undefined =>
    before && { ...before, entries: before.entries.map((entry) => said.reduce(annotated, entry)) };
  return (await workspace.update(list, edit, { signal })).draft;
}

function annotated(entry: Entry, { platform, annotations }: EntryAnnotations): Entry {
  const isMeant =
    !isAttestationEntry(entry) && (platform === undefined || matchesPlatform(platformOf(entry), platform));
  return isMeant ? changeEntry(entry, { annotations }) : entry;
}

function refused(name: string, reason: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${name} cannot be used: ${reason}`, { path: name });
}

import { isJsonObject, type Json } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { dockerArchive as archiveAll } from './compiled/docker-archive-all.ts';
import { dockerArchive as archiveFirst } from './compiled/docker-archive-first.ts';
import { dockerConfig as configAll } from './compiled/docker-config-all.ts';
import { dockerConfig as configFirst } from './compiled/docker-config-first.ts';
import { checkDescriptor } from './documents.ts';
import { capped, hasErrors, refusal } from './problems.ts';
import { checkSchema } from './validator.ts';
import type { Checked } from './workspace-documents.ts';

/** One image of a docker archive, as its manifest.json lists it (moby, image/tarexport, `manifestItem`). */
export interface ArchivedImage {
  /** Name of the config's file. */
  readonly config: string;
  readonly tags: readonly string[];
  /** Names of the layers' files, the lowest first. */
  readonly layers: readonly string[];
  /** Layers that need not be in the archive, by diff id. */
  readonly sources: ReadonlyMap<string, Descriptor>;
}

/** As much as containerd reads of it. */
export const ARCHIVE_LIMITS = { maxBytes: 20 * 1024 * 1024, maxValues: 1_000_000 };

interface Item {
  readonly Config: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Layers: readonly string[] | null;
  readonly LayerSources?: Readonly<Record<string, Json>> | null;
}

/**
 * Reads manifest.json of a docker archive.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`
 */
export function readArchivedImages(bytes: Uint8Array, subject: string): readonly ArchivedImage[] {
  const { value, values, problems } = readJson(bytes, ARCHIVE_LIMITS);
  const found =
    value === undefined
      ? problems
      : [...problems, ...checkSchema({ first: archiveFirst, all: archiveAll }, value, values)];
  if (value === undefined || hasErrors(found)) throw refusal(subject, found);
  return (value as unknown as readonly Item[]).map(({ Config, RepoTags, Layers, LayerSources }) => ({
    config: Config,
    tags: RepoTags ?? [],
    layers: Layers ?? [],
    sources: descriptorsIn(LayerSources ?? {}),
  }));
}

/** As far as they describe content; what docker writes of layers that lie in the archive anyway may lack members. */
function descriptorsIn(sources: Readonly<Record<string, Json>>): ReadonlyMap<string, Descriptor> {
  const described = Object.entries(sources).map(([diffId, value]) => [diffId, contentMembers(value)] as const);
  const whole = described.filter(([, value]) => checkDescriptor(value).length === 0);
  return new Map(whole.map(([diffId, value]) => [diffId, value as unknown as Descriptor]));
}

/** In the order of image-spec's own types. */
function contentMembers(value: Json): Json {
  const members = ['mediaType', 'digest', 'size', 'urls', 'annotations'] as const;
  const all = isJsonObject(value) ? value : {};
  return Object.fromEntries(members.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
}

/**
 * The digests of an image's layers as they are before compression, the lowest first (image-spec v1.1.1 config.md,
 * `rootfs.diff_ids`); none where the config does not say.
 */
export function diffIdsOf(config: Uint8Array): readonly Digest[] {
  const { value } = readJson(config);
  const rootfs = isJsonObject(value) ? value['rootfs'] : undefined;
  const ids = isJsonObject(rootfs) ? rootfs['diff_ids'] : undefined;
  if (!Array.isArray(ids)) return [];
  const texts = ids as readonly Json[];
  const digests = texts.filter((id) => typeof id === 'string' && isDigest(id));
  return digests.length === texts.length ? digests : [];
}

/** Docker's config.json or a containers auth.json. An empty file counts as an empty object, as Docker has it. */
export function checkDockerConfig(bytes: Uint8Array): Checked {
  if (bytes.length === 0) return { value: {} };
  const { value, values, problems } = readJson(bytes);
  const found =
    value === undefined
      ? problems
      : [...problems, ...checkSchema({ first: configFirst, all: configAll }, value, values)];
  return value === undefined || hasErrors(found) ? { problems: capped(found) } : { value };
}

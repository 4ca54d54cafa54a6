import { isJsonObject, type Json } from '../json/json.ts';
import { readJson, type JsonLimits } from '../json/parse.ts';
import type { Problem } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { dockerArchive as archiveAll } from './compiled/docker-archive-all.ts';
import { dockerArchive as archiveFirst } from './compiled/docker-archive-first.ts';
import { dockerConfig as configAll } from './compiled/docker-config-all.ts';
import { dockerConfig as configFirst } from './compiled/docker-config-first.ts';
import { checkDescriptor } from './documents.ts';
import { capped, hasErrors, refusal } from './problems.ts';
import { checkSchema, type Validator } from './validator.ts';
import type { Checked } from './workspace-documents.ts';

/** An image in the manifest.json of a docker archive (moby, image/tarexport, `manifestItem`). */
export interface ArchivedImage {
  /** File name of the config. */
  readonly config: string;
  readonly tags: readonly string[];
  /** File names of the layers, the lowest first. */
  readonly layers: readonly string[];
  /** The descriptors of layers that may be missing from the archive, keyed by diff ID. */
  readonly sources: ReadonlyMap<string, Descriptor>;
}

/** Limits for manifest.json. `maxBytes` is also the limit of containerd. */
export const ARCHIVE_LIMITS = { maxBytes: 20 * 1024 * 1024, maxValues: 1_000_000 };

interface Item {
  readonly Config: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Layers: readonly string[] | null;
  readonly LayerSources?: Readonly<Record<string, Json>> | null;
}

/**
 * Reads the manifest.json of a docker archive.
 * @param subject - the name of the document in errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it is not valid JSON, or does not match its schema
 */
export function readArchivedImages(bytes: Uint8Array, subject: string): readonly ArchivedImage[] {
  const { value, problems } = read(bytes, { first: archiveFirst, all: archiveAll }, ARCHIVE_LIMITS);
  if (value === undefined || hasErrors(problems)) throw refusal(subject, problems);
  return (value as unknown as readonly Item[]).map(({ Config, RepoTags, Layers, LayerSources }) => ({
    config: Config,
    tags: RepoTags ?? [],
    layers: Layers ?? [],
    sources: descriptorsIn(LayerSources ?? {}),
  }));
}

/** Returns the valid descriptors. docker may write incomplete descriptors for layers that are in the archive. */
function descriptorsIn(sources: Readonly<Record<string, Json>>): ReadonlyMap<string, Descriptor> {
  const candidates = Object.entries(sources).map(([diffId, value]) => [diffId, contentMembers(value)] as const);
  const valid = candidates.filter(([, value]) => checkDescriptor(value).length === 0);
  return new Map(valid.map(([diffId, value]) => [diffId, value as unknown as Descriptor]));
}

/** Keeps only the members of a layer descriptor, in the order of image-spec's Go type. */
function contentMembers(value: Json): Json {
  const members = ['mediaType', 'digest', 'size', 'urls', 'annotations'] as const;
  const all = isJsonObject(value) ? value : {};
  return Object.fromEntries(members.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
}

/**
 * Returns the digests of an image's uncompressed layers, from the lowest to the highest (image-spec v1.1.1 config.md,
 * `rootfs.diff_ids`). The result is empty if the config has no valid `diff_ids`.
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

/**
 * Checks Docker's config.json or an auth.json of containers/image. An empty file is read as an empty object, as in
 * Docker.
 */
export function checkDockerConfig(bytes: Uint8Array): Checked {
  if (bytes.length === 0) return { value: {} };
  const { value, problems } = read(bytes, { first: configFirst, all: configAll });
  return value === undefined || hasErrors(problems) ? { problems: capped(problems) } : { value };
}

/** Parses a document and checks it against its schema. JSON problems come before schema problems. */
function read(
  bytes: Uint8Array,
  validator: Validator,
  limits?: JsonLimits,
): { readonly value: Json | undefined; readonly problems: readonly Problem[] } {
  const { value, values, problems } = readJson(bytes, limits);
  return { value, problems: value === undefined ? problems : [...problems, ...checkSchema(validator, value, values)] };
}

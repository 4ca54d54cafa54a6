import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { isJsonObject, type Json } from '../oci/json.ts';
import { readJson } from '../oci/json-read.ts';
import { checkSchema } from './check.ts';
import { dockerArchive as all } from './compiled/docker-archive-all.ts';
import { dockerArchive as first } from './compiled/docker-archive-first.ts';
import { checkDescriptor } from './document.ts';
import { hasErrors, refusal } from './problems.ts';

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
  const found = value === undefined ? problems : [...problems, ...checkSchema({ first, all }, value, values)];
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

import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { Platform } from '../../src/oci/platform/platform.ts';
import type { Candidate, CandidateList } from '../../src/selection/candidates.ts';
import { entryOf, makeImage, makeIndex, putManifest, pushImage, type Image, type Served } from './images.ts';

/**
 * Lists in a short notation. Each word is an entry: `linux/arm/v7` (without normalisation), `?linux/arm` without a platform
 * in the list, `linux/amd64+zstd` marked as zstd, `windows/amd64@10.0.20348.1` with an os.version, `linux/amd64&sse5` with
 * a feature, `[linux/arm64 linux/arm]` a nested index.
 */
export interface ListWords {
  readonly kind: 'oci' | 'docker';
  readonly words: string;
}

export interface BuiltList {
  readonly list: Served;
  readonly images: readonly Image[];
  readonly lists: readonly Served[];
  /** The images by position: 2, or 2.1 in a nested index. */
  readonly byPlace: ReadonlyMap<string, Image>;
}

interface BuiltEntry {
  readonly entry: object;
  readonly images: readonly Image[];
  readonly lists: readonly Served[];
  readonly places: readonly (readonly [string, Image])[];
}

export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** @param salt - makes the images differ from those of other lists */
export function makeList({ kind, words }: ListWords, salt: string, above = ''): BuiltList {
  const built = (words.match(/\[[^\]]*\]\S*|\S+/g) ?? []).map((word, at) =>
    makeEntry(word, kind, salt, `${above}${at + 1}`),
  );
  const entries = built.map(({ entry }) => entry);
  return {
    list: kind === 'oci' ? makeIndex(entries) : makeIndex(entries, {}, dockerList),
    images: built.flatMap(({ images }) => images),
    lists: built.flatMap(({ lists }) => lists),
    byPlace: new Map(built.flatMap(({ places }) => places)),
  };
}

const word = /^(\?)?([^@&+]+)(?:@([^&+]+))?(?:&([^+]+))?(\+zstd)?$/;

function makeEntry(text: string, kind: ListWords['kind'], salt: string, place: string): BuiltEntry {
  const nested = /^\[(.*)\](\S*)$/.exec(text);
  if (nested !== null) return makeNested(nested[1] ?? '', nested[2] ?? '', kind, salt, place);
  const [, isSilent, path = '', version, feature, zstd] = word.exec(text) ?? [];
  const platform = platformOf(path, version, feature);
  // The config states the platform in canonical form, because how clients parse it is not tested here.
  const image = makeImage({ kind, platform, salt: `${salt} ${place}`, layers: 0 });
  const more = zstd === undefined ? {} : { annotations: { 'io.github.containers.compression.zstd': 'true' } };
  const entry = entryOf(image, isSilent === undefined ? platform : undefined, more);
  return { entry, images: [image], lists: [], places: [[place, image]] };
}

function makeNested(words: string, path: string, kind: ListWords['kind'], salt: string, place: string): BuiltEntry {
  const { list, images, lists, byPlace } = makeList({ kind, words }, salt, `${place}.`);
  const { mediaType, digest, bytes } = list;
  const platform = path === '' ? {} : { platform: platformOf(path) };
  const entry = { mediaType, digest, size: bytes.length, ...platform };
  return { entry, images, lists: [...lists, list], places: [...byPlace] };
}

/** The platform without normalisation, as in a document. `-` is an empty part. */
function platformOf(path: string, version?: string, feature?: string): Platform {
  const [os = '', architecture = '', variant] = path.split('/').map((part) => (part === '-' ? '' : part));
  return {
    architecture,
    os,
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(feature === undefined ? {} : { 'os.features': feature.split(',') }),
    ...(variant === undefined ? {} : { variant }),
  };
}

export async function pushList(url: string, repository: string, tag: string, built: BuiltList): Promise<void> {
  await Promise.all(built.images.map((image) => pushImage(url, repository, undefined, image)));
  for (const { digest, mediaType, bytes } of built.lists) await putManifest(url, repository, digest, mediaType, bytes);
  await putManifest(url, repository, tag, built.list.mediaType, built.list.bytes);
}

/** The list as clients read it that can access all of its content. */
export function candidatesOf({ list, lists, byPlace }: BuiltList): CandidateList {
  const entriesOf = (bytes: Buffer, above: string): readonly Candidate[] =>
    (JSON.parse(bytes.toString()) as { manifests: readonly Descriptor[] }).manifests.map((descriptor, at) => {
      const place = `${above}${at + 1}`;
      const nested = lists.find(({ digest }) => digest === descriptor.digest);
      if (nested !== undefined) return { place, descriptor, entries: entriesOf(nested.bytes, `${place}.`) };
      if (descriptor.platform !== undefined) return { place, descriptor };
      const config = JSON.parse(byPlace.get(place)?.blobs[0]?.toString() ?? '{}') as Platform & {
        readonly salt: string;
      };
      const { architecture, os, variant } = config;
      return { place, descriptor, stated: { architecture, os, ...(variant === undefined ? {} : { variant }) } };
    });
  return { mediaType: list.mediaType, entries: entriesOf(list.bytes, '') };
}

import { AnnotationKey, isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestContent } from '../store.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { annotationsOf, readDocument, type Children } from '../../oci/children.ts';
import { writeJson } from '../../json/stringify.ts';
import { isImageConfigType } from '../../oci/media-type.ts';
import {
  canonicalReference,
  familiarReference,
  formatReference,
  isTag,
  parseReference,
  type TagReference,
} from '../../oci/reference.ts';
import type { Entries, Entry } from '../layout/index-entries.ts';
import { blobName } from './tar/tar-blobs.ts';

/** A manifest in an archive, and the descriptors that it contains. */
export interface ArchivedManifest {
  readonly content: ManifestContent;
  readonly children: Children;
}

type Manifests = ReadonlyMap<Digest, ArchivedManifest>;

/**
 * Matches the media types of file system layers. Foreign layers, which are not in the archive, and the layers of
 * attestations and signatures have other types.
 */
const layerType = /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar|docker\.image\.rootfs\.diff\.tar)/;

interface Image extends ArchivedManifest {
  /** The platform in the image's entry, with its members joined by "-"; undefined if the entry has none. */
  readonly platform?: string | undefined;
}

interface Item {
  readonly Config: string | undefined;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

/**
 * Creates the manifest.json that `docker load` reads (moby, image/tarexport/load.go). Returns undefined if there is no
 * image to list.
 * Docker's classic image store does not support lists: it loads every image in manifest.json. A single image gets the
 * names of its entries, even if it is the only image of a list. If there are several images, each image of a list with
 * several images gets the tag of the list followed by its platform, such as `1.0-linux-arm64`; incomplete images and
 * images without a tag are left out. Attestations and signatures are not images.
 * @param hasBlob - returns whether the archive has a blob
 * @param names - whether a single image gets familiar names, as `docker save` writes them, or full ones. podman adds
 * `localhost/` to familiar names
 */
export function dockerManifestJson(
  entries: Entries,
  manifests: Manifests,
  hasBlob: (blob: Descriptor) => boolean,
  names: 'familiar' | 'full' = 'familiar',
): Uint8Array | undefined {
  const roots = entries.map((entry) => ({ entry, images: imagesIn(entry.descriptor, manifests) }));
  const images = [
    ...new Map(roots.flatMap((root) => root.images.map((each) => [digestOf(each), each] as const))).values(),
  ];
  const [image] = images;
  if (image === undefined) return undefined;
  if (images.length === 1) {
    const nameOf = names === 'full' ? formatReference : familiarReference;
    const references = roots.flatMap(({ entry, images: own }) => (own.length > 0 ? (referenceOf(entry) ?? []) : []));
    return Buffer.from(writeJson([itemFor(image, new Set(references.map(nameOf)))]));
  }
  const tags = tagsOf(roots);
  const items = images
    .filter((each) => tags.has(digestOf(each)) && each.children.blobs.every(hasBlob))
    // Windows images come last, because docker stops loading at an image of another operating system.
    .sort((left, right) => Number(isWindows(left)) - Number(isWindows(right)))
    .map((each) => itemFor(each, tags.get(digestOf(each)) ?? new Set()));
  return items.length === 0 ? undefined : Buffer.from(writeJson(items));
}

function itemFor({ children }: Image, tags: ReadonlySet<string>): Item & Json {
  const [config, ...layers] = children.blobs.map(({ digest }) => blobName(digest));
  return { Config: config, RepoTags: tags.size === 0 ? null : [...tags], Layers: layers } as Item & Json;
}

function isWindows({ platform = '' }: Image): boolean {
  return platform.startsWith('windows');
}

interface Root {
  readonly entry: Entry;
  readonly images: readonly Image[];
}

/**
 * Returns the tags of each image, keyed by digest. They are full references, because podman adds `localhost/` to short
 * names. Each tag is given to one image only.
 */
function tagsOf(roots: readonly Root[]): ReadonlyMap<Digest, ReadonlySet<string>> {
  const taken = new Set<string>();
  const tags = new Map<Digest, Set<string>>();
  for (const { entry, images } of roots) {
    const reference = referenceOf(entry);
    for (const image of images) {
      const suffix = images.length === 1 ? '' : `-${image.platform ?? ''}`;
      const tag = reference === undefined ? '' : `${reference.tag}${suffix}`;
      if (reference === undefined || !isTag(tag) || tag.endsWith('-')) continue;
      const name = formatReference({ ...reference, tag });
      if (taken.has(name)) continue;
      taken.add(name);
      getOrCreate(tags, digestOf(image), () => new Set<string>()).add(name);
    }
  }
  return tags;
}

function digestOf({ content }: ArchivedManifest): Digest {
  return content.descriptor.digest;
}

function imagesIn(root: Descriptor, manifests: Manifests, platform?: string): readonly Image[] {
  const manifest = manifests.get(root.digest);
  if (manifest === undefined) return [];
  if (manifest.children.manifests.length === 0) return isImage(manifest.children) ? [{ ...manifest, platform }] : [];
  return entriesOf(manifest).flatMap((entry) => imagesIn(entry.descriptor, manifests, entry.platform));
}

interface ListEntry {
  readonly descriptor: Descriptor;
  readonly platform: string | undefined;
}

/** Returns the entries of a list. Attestations are left out, because some of them look like images. */
function entriesOf({ content, children }: ArchivedManifest): readonly ListEntry[] {
  const items = readDocument(content.bytes)['manifests'] as readonly Json[];
  return children.manifests.flatMap((descriptor, at) => {
    const item = items[at];
    if (isAttestation(annotationsOf(item))) return [];
    return [{ descriptor, platform: isJsonObject(item) ? platformText(item['platform']) : undefined }];
  });
}

function platformText(value: Json | undefined): string | undefined {
  if (!isJsonObject(value)) return undefined;
  const members = [value['os'], value['architecture'], value['variant']].filter((member) => member !== undefined);
  return members.length >= 2 && members.every((member) => typeof member === 'string') ? members.join('-') : undefined;
}

/** Whether a manifest is an image: its config is an image config, and its layers are file system layers. */
export function isImage({ blobs }: Pick<Children, 'blobs'>): boolean {
  const [config, ...layers] = blobs;
  return (
    config !== undefined &&
    isImageConfigType(config.mediaType) &&
    layers.every((blob) => layerType.test(blob.mediaType))
  );
}

/** Returns the full reference, with a tag, that engines use for an entry, or undefined if the entry has none. */
function referenceOf({ descriptor }: Entry): TagReference | undefined {
  const name = canonicalReference(descriptor.annotations?.[AnnotationKey.imageName] ?? '');
  if (name === undefined) return undefined;
  const { domain, path, tag } = parseReference(name);
  return tag === undefined ? undefined : { domain, path, tag };
}

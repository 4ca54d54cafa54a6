import { AnnotationKey, isAttestation, uniqueByDigest, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestContent } from '../store.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { annotationsOf, readDocument, type Children } from '../../oci/children.ts';
import { writeJson } from '../../json/stringify.ts';
import { isImageConfigType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { canonicalReference, formatReference, isTag, parseReference } from '../../oci/reference.ts';
import type { Entries, Entry } from '../layout/index-entries.ts';
import { blobName } from './tar/tar-blobs.ts';

/** A manifest of an archive, with its links. */
export interface ArchivedManifest {
  readonly content: ManifestContent;
  readonly links: Children;
}

type Manifests = ReadonlyMap<Digest, ArchivedManifest>;

/** Media types of file system layers. Attestations and signatures have others, and foreign layers are not in the archive. */
const layerType = /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar|docker\.image\.rootfs\.diff\.tar)/;

/**
 * The manifest.json that `docker load` reads (moby, image/tarexport/load.go), with every image of the archive; undefined if
 * it has none. Attestations and signatures are not images. Classic image stores have no lists, so each image of a list with
 * several gets a name of its own, such as `app:1-arm64`. Engines without Windows refuse a whole archive that names a Windows
 * image, so these are left out beside other images.
 */
export function dockerManifestJson(entries: Entries, manifests: Manifests): Uint8Array | undefined {
  const named = new Map<Digest, NamedImage>();
  const used = new Set<string>();
  for (const entry of entries) {
    const images = uniqueByDigest(imagesIn(entry.descriptor, manifests));
    for (const image of images) {
      const { names } = getOrAdd(named, image);
      for (const name of fullNames(entry, images.length > 1 ? image : undefined)) {
        if (!used.has(name)) names.push(name);
        used.add(name);
      }
    }
  }
  const images = [...named.values()];
  const others = images.filter(({ platform }) => platform?.os !== 'windows');
  const items = (others.length > 0 ? others : images).map(({ links, names }) => {
    const [config, ...layers] = links.blobs.map(({ digest }) => blobName(digest));
    return { Config: config, RepoTags: names.length === 0 ? null : names, Layers: layers };
  });
  return items.length === 0 ? undefined : Buffer.from(writeJson(items));
}

interface FoundImage {
  readonly digest: Digest;
  readonly links: Children;
  /** The platform in its list; undefined outside lists, and if the list states none. */
  readonly platform: Platform | undefined;
}

interface NamedImage extends FoundImage {
  readonly names: string[];
}

function getOrAdd(named: Map<Digest, NamedImage>, image: FoundImage): NamedImage {
  const known = named.get(image.digest);
  const added = known ?? { ...image, names: [] };
  if (known === undefined) named.set(image.digest, added);
  return added;
}

function imagesIn(root: Descriptor, manifests: Manifests): readonly FoundImage[] {
  const manifest = manifests.get(root.digest);
  if (manifest === undefined) return [];
  const { links } = manifest;
  if (links.manifests.length > 0) return entriesOf(manifest).flatMap((entry) => imagesIn(entry, manifests));
  return isImage(links) ? [{ digest: root.digest, links, platform: root.platform }] : [];
}

/** The entries of a list with their platforms, without attestations, some of which look like images. */
function entriesOf({ content, links }: ArchivedManifest): readonly Descriptor[] {
  const items = readDocument(content.bytes)['manifests'] as readonly Json[];
  return links.manifests
    .map((entry, at) => ({ ...entry, ...annotationsOf(items[at]), ...platformOf(items[at]) }))
    .filter((entry) => !isAttestation(entry));
}

function platformOf(item: Json | undefined): Pick<Descriptor, 'platform'> {
  const platform = isJsonObject(item) ? item['platform'] : undefined;
  if (!isJsonObject(platform)) return {};
  const { os, architecture, variant } = platform;
  if (typeof os !== 'string' || typeof architecture !== 'string') return {};
  return { platform: { os, architecture, ...(typeof variant === 'string' ? { variant } : {}) } };
}

/** Whether a manifest is that of an image with file system layers. Foreign layers are not counted. */
export function isImage({ blobs }: Pick<Children, 'blobs'>): boolean {
  const [config, ...layers] = blobs;
  return (
    config !== undefined &&
    isImageConfigType(config.mediaType) &&
    layers.every((blob) => layerType.test(blob.mediaType))
  );
}

/** Full names: podman stores others under localhost/. */
function fullNames({ descriptor }: Entry, part: FoundImage | undefined): readonly string[] {
  const name = canonicalReference(descriptor.annotations?.[AnnotationKey.imageName] ?? '');
  if (name === undefined) return [];
  const { domain, path, tag } = parseReference(name);
  const suffix = part === undefined ? '' : suffixOf(part.platform);
  return tag === undefined || suffix === undefined || !isTag(tag + suffix)
    ? []
    : [formatReference({ domain, path, tag: tag + suffix })];
}

/** Such as `-amd64` or `-armv7`; undefined if the platform is unknown. */
function suffixOf(platform: Platform | undefined): string | undefined {
  if (platform === undefined || platform.architecture === '') return undefined;
  return `-${platform.architecture}${platform.variant ?? ''}`.replace(/[^\w.-]/g, '_');
}

import { AnnotationKey, isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestContent } from '../store.ts';
import type { Json } from '../../json/json.ts';
import { annotationsOf, readDocument, type Children } from '../../oci/children.ts';
import { writeJson } from '../../json/stringify.ts';
import { isImageConfigType } from '../../oci/media-type.ts';
import { canonicalReference, familiarReference, parseReference } from '../../oci/reference.ts';
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
 * The manifest.json that `docker load` reads (moby, image/tarexport/load.go). Docker does not support lists, so this is
 * undefined unless the archive contains exactly one image. The image may be the only one of a list; attestations and
 * signatures do not count.
 */
export function dockerManifestJson(entries: Entries, manifests: Manifests): Uint8Array | undefined {
  const roots = entries.map((entry) => ({ entry, images: imagesIn(entry.descriptor, manifests) }));
  const images = new Map(roots.flatMap((root) => root.images.map((each) => [digestOf(each), each] as const)));
  const [image, ...others] = images.values();
  if (image === undefined || others.length > 0) return undefined;
  const names = roots.flatMap(({ entry, images: own }) => (own.length > 0 ? familiarNames(entry) : []));
  const [config, ...layers] = image.links.blobs.map(({ digest }) => blobName(digest));
  const tags = names.length === 0 ? null : [...new Set(names)];
  return Buffer.from(writeJson([{ Config: config, RepoTags: tags, Layers: layers }]));
}

function digestOf({ content }: ArchivedManifest): Digest {
  return content.descriptor.digest;
}

function imagesIn(root: Descriptor, manifests: Manifests): readonly ArchivedManifest[] {
  const manifest = manifests.get(root.digest);
  if (manifest === undefined) return [];
  if (manifest.links.manifests.length > 0) return entriesOf(manifest).flatMap((entry) => imagesIn(entry, manifests));
  return isImage(manifest) ? [manifest] : [];
}

/** The entries of a list without attestations, some of which look like images. */
function entriesOf({ content, links }: ArchivedManifest): readonly Descriptor[] {
  const items = readDocument(content.bytes)['manifests'] as readonly Json[];
  return links.manifests.filter((_, at) => !isAttestation(annotationsOf(items[at])));
}

function isImage({ links: { blobs } }: ArchivedManifest): boolean {
  const [config, ...layers] = blobs;
  return (
    config !== undefined &&
    isImageConfigType(config.mediaType) &&
    layers.every((blob) => layerType.test(blob.mediaType))
  );
}

function familiarNames({ descriptor }: Entry): readonly string[] {
  const name = canonicalReference(descriptor.annotations?.[AnnotationKey.imageName] ?? '');
  if (name === undefined) return [];
  const { domain, path, tag } = parseReference(name);
  return tag === undefined ? [] : [familiarReference({ domain, path, tag })];
}

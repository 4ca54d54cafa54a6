import { shortDigest, shortImageId } from '../../oci/digest.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import { byteSize, counted } from '../../text/quantity.ts';
import type { EntryView } from './entry-view.ts';
import type { ListView } from './show.ts';

/** This file describes a list and its entries, for terminals, trees, Markdown and HTML. */

/** Returns the labels and values that are printed for a list or an image, in this order. Annotations are omitted. */
export function listFacts(view: ListView): readonly (readonly [label: string, text: string])[] {
  const { mediaType, platform, digest, artifactType, subject } = view;
  const size = sizeText(view);
  return [
    ['type', mediaType],
    ...(platform === undefined ? [] : [['platform', formatPlatform(platform, { all: true })] as const]),
    ['digest', digest ?? 'known after the push'],
    ...(size === undefined ? [] : [['size', size] as const]),
    ...(artifactType === undefined ? [] : [['artifact', artifactType] as const]),
    ...(subject === undefined ? [] : [['subject', subject] as const]),
  ];
}

/** Returns the label of an entry: its platform or artifact type, or else `list`, `image` or its media type. */
export function entryLabel({ platform, artifactType, mediaType = '-' }: EntryView): string {
  if (platform !== undefined) return formatPlatform(platform, { all: true });
  return artifactType ?? (isIndexType(mediaType) ? 'list' : isManifestType(mediaType) ? 'image' : mediaType);
}

/** Returns the digest of content, or the ID of an image that has no manifest yet. */
export function digestText({ image, digest = '' }: Pick<EntryView, 'image' | 'digest'>, isFull: boolean): string {
  if (image !== undefined) return `image ${shortImageId(image)} (digest after push)`;
  return isFull ? digest : shortDigest(digest);
}

/** Returns the compression of a layer (`gzip`, `zstd` or `uncompressed`). If it is unknown, returns the media type. */
export function layerKind(mediaType: string): string {
  const [, compression] = /^application\/vnd\.(?:oci|docker)\.image\.[a-z.0-9]+[.+](gzip|zstd)$/.exec(mediaType) ?? [];
  return compression ?? (mediaType === 'application/vnd.oci.image.layer.v1.tar' ? 'uncompressed' : mediaType);
}

export function isIncomplete({ available, attestations }: EntryView): boolean {
  return available === false || attestations.some(isIncomplete);
}

/** Returns `yes` if the location has the image and all of its attestations, else `no` or `without attestations`. */
export function availableText({ available, attestations }: EntryView): string {
  if (available === false) return 'no';
  return attestations.some(isIncomplete) ? 'without attestations' : 'yes';
}

/** Returns the size of an image, or of all images in a list. If it is unknown, returns the size of the manifest. */
function sizeText({ size, imageSize, mediaType, entries }: ListView): string | undefined {
  if (!isIndexType(mediaType)) return imageSize === undefined ? bytesText(size) : byteSize(imageSize);
  const images = entries.filter((entry) => entry.image !== undefined || isManifestType(entry.mediaType ?? ''));
  const known = images.flatMap((entry) => entry.imageSize ?? []);
  if (images.length === 0 || known.length < images.length) return bytesText(size);
  return `${byteSize(known.reduce((sum, one) => sum + one, 0))} in ${counted(images.length, 'image')}`;
}

function bytesText(size: number | undefined): string | undefined {
  return size === undefined ? undefined : `${counted(size, 'byte')} (manifest only)`;
}

import { errorCode, errorMessage, MlistError } from '../../errors/errors.ts';
import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import {
  contentReference,
  type ManifestContent,
  type ContentOptions,
  type ContentReader,
  type FetchOptions,
  type Recompressor,
  type TagOrDigest,
} from '../store.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import { canonicalReference } from '../../oci/reference.ts';
import { ARCHIVE_LIMITS, readArchivedImages, type ArchivedImage } from '../../schema/docker-documents.ts';
import { checkVerifiable, readWhole } from '../verify.ts';
import { HEADER_FILE } from '../layout/layout-header.ts';
import { imageNotFound, MAX_NAMES, type ResolvedEntry } from '../layout/resolve-entry.ts';
import { deriveImage, type DerivedImage } from '../docker-image/derive-image.ts';
import { compressionOfType, layerTypes, type LayerCompression } from '../docker-image/layer-compression.ts';
import type { LayerCompressor } from '../docker-image/layer-compressor.ts';
import { archivedImage } from './archived-image.ts';
import { DOCKER_MANIFEST_FILE, OciArchive } from './oci-archive.ts';
import { embeddedManifest } from './embedded-manifest.ts';
import { TarBlobs } from './tar/tar-blobs.ts';
import { invalidArchive, TarFile, type OpenOptions } from './tar/tar-file.ts';
import { normalizeName } from './tar/tar-names.ts';

interface NamedImage {
  readonly image: ArchivedImage;
  /** The valid references of the image, in canonical form. */
  readonly names: readonly string[];
}

export interface DockerArchiveOptions extends OpenOptions {
  /** How layers that the archive stores uncompressed are compressed. Default `none`. */
  readonly compression?: LayerCompression | undefined;
  /** Compresses layers. Required unless `compression` is `none`. */
  readonly compressor?: LayerCompressor | undefined;
  /** Called when an uncompressed layer is read and the user has not chosen a compression. */
  readonly onUncompressed?: (() => void) | undefined;
}

interface DockerArchiveParts extends DockerArchiveOptions {
  readonly location: string;
  readonly tar: TarFile;
  readonly images: readonly ArchivedImage[];
  /** The archive as an OCI layout; undefined if it is not a valid one. */
  readonly layout: OciArchive | undefined;
}

/**
 * An archive of `docker save`, in the old format (docker 1.10 to 24, podman, build tools) or the new one (docker 25 and
 * later). An archive in the new format is also an OCI layout. Images are always read from manifest.json, not from the
 * index of the layout (docs/decisions/0020-archives.md). Read-only.
 */
export class DockerArchive implements ContentReader, Recompressor {
  readonly location: string;
  readonly #tar: TarFile;
  readonly #layout: OciArchive | undefined;
  readonly #images: readonly NamedImage[];
  readonly #options: DockerArchiveOptions;
  readonly #compression: LayerCompression;
  readonly #derived: Record<LayerCompression, Map<NamedImage, Promise<DerivedImage>>> = {
    none: new Map(),
    gzip: new Map(),
    zstd: new Map(),
  };
  /** The images whose manifests have been read or generated. */
  readonly #known = new Set<DerivedImage>();
  readonly #blobs: TarBlobs;

  constructor({ location, tar, images, layout, ...options }: DockerArchiveParts) {
    this.location = location;
    this.#tar = tar;
    this.#layout = layout;
    this.#options = options;
    this.#compression = options.compression ?? 'none';
    this.#images = images.map((image) => ({
      image,
      names: image.tags.flatMap((tag) => canonicalReference(tag) ?? []),
    }));
    this.#blobs = new TarBlobs(tar);
  }

  /** Resolves a reference in familiar or canonical form. Without a reference, resolves to the only image. */
  async resolveRef(ref?: string): Promise<ResolvedEntry> {
    const canonical = ref === undefined ? undefined : canonicalReference(ref);
    const candidates =
      ref === undefined ? this.#images : this.#images.filter(({ names }) => names.includes(canonical ?? ''));
    const [first, ...others] = candidates;
    if (first === undefined) {
      const available = this.#images.flatMap<string | undefined>(({ names }) =>
        names.length > 0 ? names : [undefined],
      );
      throw imageNotFound(this.location, ref, available);
    }
    if (!others.every(({ image }) => isSameImage(image, first.image)))
      throw await this.#ambiguous(candidates, canonical);
    const { descriptor } = (await this.#image(first)).content;
    const name = canonical ?? first.names[0];
    return { descriptor, ...(name === undefined ? {} : { ref: name }) };
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return (await this.fetchManifest(name, options)).descriptor;
  }

  async fetchManifest(name: TagOrDigest, { expected, signal }: FetchOptions = {}): Promise<ManifestContent> {
    signal?.throwIfAborted();
    const digest = isDigestName(name) ? name : (await this.resolveRef(name)).descriptor.digest;
    const content = await this.#content(digest, expected !== undefined);
    const { descriptor } = content;
    if (expected !== undefined && expected.digest !== descriptor.digest) {
      throw this.#mismatch(name, `refers to ${descriptor.digest}, not ${expected.digest}`);
    }
    if (expected !== undefined && expected.size !== descriptor.size) {
      throw this.#mismatch(name, `has ${descriptor.size} bytes, but its descriptor states ${expected.size}`);
    }
    return { ...content, descriptor: { ...descriptor, mediaType: expected?.mediaType ?? descriptor.mediaType } };
  }

  fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return readWhole(descriptor, () => this.readBlob(descriptor, options));
  }

  async *readBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    checkVerifiable(descriptor.digest);
    if (descriptor.mediaType === layerTypes.none && this.#options.compression === undefined)
      this.#options.onUncompressed?.();
    yield* (await this.#locate(descriptor, signal)) ?? this.#blobs.stream(descriptor, signal);
  }

  async recompressed(digest: Digest): Promise<ManifestContent | undefined> {
    const found = await this.#find(digest, ['none', this.#compression, 'gzip']);
    return found && (await this.#image(found.image)).content;
  }

  async close(): Promise<void> {
    await this.#tar.close();
  }

  /**
   * Returns the manifest with this digest.
   * @param isListed - whether the digest comes from a draft or a list. If so, the manifest may have been generated with
   * another compression than the archive was opened with
   */
  async #content(digest: Digest, isListed: boolean): Promise<ManifestContent> {
    const others: readonly LayerCompression[] = this.#options.compressor === undefined ? [] : ['none', 'gzip'];
    const found = await this.#find(digest, [this.#compression, ...(isListed ? others : [])]);
    if (found !== undefined) return found.content;
    const reference = contentReference(this.location, digest);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }

  /**
   * Generates the manifests of the images with each of these compressions until one has this digest. Returns the image
   * and the manifest, or undefined if no manifest has the digest.
   */
  async #find(
    digest: Digest,
    compressions: readonly LayerCompression[],
  ): Promise<{ readonly image: NamedImage; readonly content: ManifestContent } | undefined> {
    for (const compression of new Set(compressions)) {
      for (const image of this.#images) {
        const { content } = await this.#image(image, compression);
        if (content.descriptor.digest === digest) return { image, content };
      }
    }
    return undefined;
  }

  /**
   * Opens a blob of a generated manifest. Manifests are generated one after another until one has the blob: first with
   * the compression in the options, then with the compression that the media type of the blob states, since a draft may
   * refer to a layer with that compression. Returns undefined if no manifest has the blob, or if the archive stores it
   * under its digest.
   */
  async #locate(blob: Descriptor, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const stated = this.#options.compressor === undefined ? undefined : compressionOfType(blob.mediaType);
    for (const compression of new Set([this.#compression, stated ?? this.#compression])) {
      for (const image of this.#images) {
        const chunks = this.#read(blob, signal);
        if (chunks !== undefined || this.#blobs.size(blob.digest) !== undefined) return chunks;
        await this.#image(image, compression);
      }
    }
    return this.#read(blob, signal);
  }

  #read(blob: Descriptor, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> | undefined {
    for (const derived of this.#known) {
      const chunks = derived.read(blob, signal);
      if (chunks !== undefined) return chunks;
    }
    return undefined;
  }

  #image(image: NamedImage, compression = this.#compression): Promise<DerivedImage> {
    return getOrCreate(this.#derived[compression], image, async () => {
      const derived = await this.#derive(image.image, compression);
      this.#known.add(derived);
      return derived;
    });
  }

  async #derive(image: ArchivedImage, compression: LayerCompression): Promise<DerivedImage> {
    const embedded = this.#layout && (await embeddedManifest(this.#layout, image));
    if (embedded !== undefined && (compression === 'none' || isCompressed(embedded)))
      return {
        content: { ...embedded, descriptor: minimalDescriptor(embedded.descriptor) },
        read: () => undefined,
      };
    const { compressor = neverCompressed, signal } = this.#options;
    return derivations.run(async () =>
      deriveImage(await archivedImage(this.#tar, image), { compression, compressor, signal }),
    );
  }

  #mismatch(name: TagOrDigest, fault: string): MlistError {
    const reference = contentReference(this.location, name);
    return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `${reference} ${fault}`, { reference });
  }

  /**
   * Returns the error for several matching images.
   * @param shared - the reference that all of them match, if one was given. The error then lists them by digest
   */
  async #ambiguous(images: readonly NamedImage[], shared: string | undefined): Promise<MlistError> {
    const candidates = await Promise.all(
      images.slice(0, MAX_NAMES).map(async (image) => {
        const [name] = shared === undefined ? image.names : [];
        const suffix = name === undefined ? `@${(await this.#image(image)).content.descriptor.digest}` : `:${name}`;
        return this.location + suffix;
      }),
    );
    const suffix = shared === undefined ? '' : ` with the name ${shared}`;
    const message = `${this.location} contains ${images.length} images${suffix}: specify one of them`;
    return new MlistError('ERR_MLIST_AMBIGUOUS', message, {
      reference: this.location,
      candidates,
    });
  }
}

/** Limits how many manifests are generated concurrently, because each may require reading whole layers. */
const derivations = new Limiter(4);

const neverCompressed: Pick<LayerCompressor, 'compress'> = {
  compress: () => Promise.reject(new Error('the archive was opened without a compressor')),
};

/** Whether all layers of the image are compressed. */
function isCompressed({ bytes, descriptor }: ManifestContent): boolean {
  const { blobs } = childrenIn(readDocument(bytes), descriptor.mediaType);
  return blobs.every(({ mediaType }) => mediaType !== layerTypes.none && mediaType !== DOCKER_UNCOMPRESSED);
}

/** The media type of uncompressed layers in Docker manifests. */
const DOCKER_UNCOMPRESSED = 'application/vnd.docker.image.rootfs.diff.tar';

/** Whether both are the same image. Some tools list an image once for each of its tags. */
function isSameImage(one: ArchivedImage, other: ArchivedImage): boolean {
  return one.config === other.config && one.layers.join('\n') === other.layers.join('\n');
}

/**
 * Opens an archive of `docker save`. An archive without manifest.json that is an OCI layout is opened as an OCI
 * archive.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the file does not exist; `ERR_MLIST_DOCUMENT_INVALID` if it is neither a
 * docker archive nor an OCI archive
 */
export async function openDockerArchive(
  path: string,
  options: DockerArchiveOptions = {},
): Promise<DockerArchive | OciArchive> {
  const location = options.location ?? `docker-archive:${options.name ?? path}`;
  const tar = await TarFile.open(path, options);
  try {
    const list = await tar.bytes(DOCKER_MANIFEST_FILE, ARCHIVE_LIMITS.maxBytes, options.signal);
    if (list === undefined) return await openWithoutList(tar, location, options);
    const images = readArchivedImages(list, `${tar.name}, ${DOCKER_MANIFEST_FILE}`).map((image) =>
      withNormalizedNames(image, tar),
    );
    // manifest.json is sufficient, so errors in the layout are ignored.
    const layout = await OciArchive.fromTar(tar, location, options).catch((error: unknown) => {
      if (errorCode(error) === 'ERR_MLIST_FILE') throw error;
      return undefined;
    });
    return new DockerArchive({ ...options, location, tar, images, layout });
  } catch (error) {
    await tar.close();
    throw error;
  }
}

/** Normalizes the file names of an image, because the index of the tar file is keyed by normalized names. */
function withNormalizedNames(image: ArchivedImage, tar: TarFile): ArchivedImage {
  try {
    return { ...image, config: normalizeName(image.config), layers: image.layers.map(normalizeName) };
  } catch (error) {
    throw invalidArchive(tar, `in ${DOCKER_MANIFEST_FILE}, ${errorMessage(error)}`);
  }
}

function openWithoutList(tar: TarFile, location: string, options: ContentOptions): Promise<OciArchive> {
  if (tar.size(HEADER_FILE) !== undefined) return OciArchive.fromTar(tar, location, options);
  const isLegacy = tar.size('repositories') !== undefined;
  const reason = isLegacy ? 'it was created by docker 1.9 or older' : 'it is not an archive of "docker save"';
  const hint = isLegacy ? 'Load it with an older Docker engine, and save it again.' : undefined;
  throw invalidArchive(tar, `${reason} (${DOCKER_MANIFEST_FILE} is missing)`, hint);
}

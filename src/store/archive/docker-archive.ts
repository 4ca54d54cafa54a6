import { errorCode, errorMessage, MlistError } from '../../errors/errors.ts';
import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import type { ManifestContent, ContentOptions, ContentReader, FetchOptions, TagOrDigest } from '../store.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { canonicalReference } from '../../oci/reference.ts';
import { ARCHIVE_LIMITS, readArchivedImages, type ArchivedImage } from '../../schema/docker-documents.ts';
import { checkVerifiable } from '../verify.ts';
import { HEADER_FILE } from '../layout/layout-header.ts';
import { imageNotFound, MAX_NAMES, type ResolvedEntry } from '../layout/resolve-entry.ts';
import { deriveImage, type DerivedImage } from './derive-image.ts';
import { DOCKER_MANIFEST_FILE, OciArchive } from './oci-archive.ts';
import { embeddedManifest } from './embedded-manifest.ts';
import { blobName, TarBlobs } from './tar/tar-blobs.ts';
import { invalidArchive, TarFile, type OpenOptions } from './tar/tar-file.ts';
import { normalizeName } from './tar/tar-names.ts';

interface NamedImage {
  readonly image: ArchivedImage;
  /** References in canonical form. */
  readonly names: readonly string[];
}

/**
 * An archive of `docker save`, in the old format (docker 1.10 to 24, podman, build tools) or the new one (docker 25 and
 * later, which is also an OCI layout). Its images are those of manifest.json, not those of the layout's index
 * (docs/decisions/0020-archives.md). Read-only.
 */
export class DockerArchive implements ContentReader {
  readonly location: string;
  readonly #tar: TarFile;
  readonly #layout: OciArchive | undefined;
  readonly #images: readonly NamedImage[];
  readonly #derived = new Map<NamedImage, Promise<DerivedImage>>();
  /** Names of the configs and layers in the archive, for the images that were read so far. */
  readonly #names = new Map<Digest, string>();
  readonly #blobs: TarBlobs;

  constructor(location: string, tar: TarFile, images: readonly ArchivedImage[], layout: OciArchive | undefined) {
    this.location = location;
    this.#tar = tar;
    this.#layout = layout;
    this.#images = images.map((image) => ({
      image,
      names: image.tags.flatMap((tag) => canonicalReference(tag) ?? []),
    }));
    this.#blobs = new TarBlobs(tar, (digest) => this.#names.get(checkVerifiable(digest)) ?? blobName(digest));
  }

  /** Resolves a reference in familiar or canonical form; without one, the only image. */
  async resolveRef(ref?: string): Promise<ResolvedEntry> {
    const canonical = ref === undefined ? undefined : canonicalReference(ref);
    const candidates =
      ref === undefined ? this.#images : this.#images.filter(({ names }) => names.includes(canonical ?? ''));
    const [first, ...others] = candidates;
    if (first === undefined) {
      const available = this.#images.flatMap(({ names }) => names);
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
    const content = await this.#content(digest);
    const { descriptor } = content;
    if (expected !== undefined && (expected.digest !== descriptor.digest || expected.size !== descriptor.size)) {
      throw new MlistError(
        'ERR_MLIST_CONTENT_MISMATCH',
        `${this.location} has ${descriptor.digest} under ${name}, not ${expected.digest}`,
        { reference: this.location },
      );
    }
    return { ...content, descriptor: { ...descriptor, mediaType: expected?.mediaType ?? descriptor.mediaType } };
  }

  async fetchBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): Promise<Uint8Array> {
    await this.#locate(descriptor.digest);
    return this.#blobs.bytes(descriptor, signal);
  }

  async *readBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    await this.#locate(descriptor.digest);
    yield* this.#blobs.stream(descriptor, signal);
  }

  async close(): Promise<void> {
    await this.#tar.close();
  }

  async #content(digest: Digest): Promise<ManifestContent> {
    for (const image of this.#images) {
      const { content } = await this.#image(image);
      if (content.descriptor.digest === digest) return content;
    }
    throw new MlistError('ERR_MLIST_NOT_FOUND', `${this.location}@${digest} does not exist`, {
      reference: `${this.location}@${digest}`,
    });
  }

  /** Reads images until the blob is found: only the image of a blob determines its file name. */
  async #locate(digest: Digest): Promise<void> {
    for (const image of this.#images) {
      if (this.#blobs.size(digest) !== undefined) return;
      await this.#image(image);
    }
  }

  #image(image: NamedImage): Promise<DerivedImage> {
    return getOrCreate(this.#derived, image, () => this.#derive(image.image));
  }

  async #derive(image: ArchivedImage): Promise<DerivedImage> {
    const embedded = this.#layout && (await embeddedManifest(this.#layout, image));
    if (embedded !== undefined)
      return { content: { ...embedded, descriptor: minimalDescriptor(embedded.descriptor) }, files: new Map() };
    const derived = await derivations.run(() => deriveImage(this.#tar, image));
    for (const [digest, name] of derived.files) this.#names.set(digest, name);
    return derived;
  }

  /** @param shared - the name of all these images, if it is the same: then the candidates are listed by digest */
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

/** Limits concurrent generation of manifests: each may read whole layers. */
const derivations = new Limiter(4);

/** Some tools list an image once for each of its tags. */
function isSameImage(one: ArchivedImage, other: ArchivedImage): boolean {
  return one.config === other.config && one.layers.join('\n') === other.layers.join('\n');
}

/**
 * Opens an archive of `docker save`. An archive without manifest.json that is an OCI layout is opened as an OCI archive.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_DOCUMENT_INVALID`
 */
export async function openDockerArchive(path: string, options: OpenOptions = {}): Promise<DockerArchive | OciArchive> {
  const location = options.location ?? `docker-archive:${options.name ?? path}`;
  const tar = await TarFile.open(path, options);
  try {
    const list = await tar.bytes(DOCKER_MANIFEST_FILE, ARCHIVE_LIMITS.maxBytes, options.signal);
    if (list === undefined) return await openWithoutList(tar, location, options);
    const images = readArchivedImages(list, `${tar.name}, ${DOCKER_MANIFEST_FILE}`).map((image) =>
      withNormalizedNames(image, tar),
    );
    // manifest.json is sufficient, so faults of the layout are ignored.
    const layout = await OciArchive.fromTar(tar, location, options).catch((error: unknown) => {
      if (errorCode(error) === 'ERR_MLIST_FILE') throw error;
      return undefined;
    });
    return new DockerArchive(location, tar, images, layout);
  } catch (error) {
    await tar.close();
    throw error;
  }
}

/** Normalizes the file names of an image, as in the index of the tar. */
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
  const hint = isLegacy ? 'Load it into a container engine, and save it again.' : undefined;
  throw invalidArchive(tar, `it contains no ${DOCKER_MANIFEST_FILE}: ${reason}`, hint);
}

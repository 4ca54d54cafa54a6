import { errorCode, errorMessage, MlistError } from '../../errors/errors.ts';
import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import type { ManifestContent, ContentOptions, ContentReader, FetchOptions, TagOrDigest } from '../store.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { canonicalReference } from '../../oci/reference.ts';
import { ARCHIVE_LIMITS, readArchivedImages, type ArchivedImage } from '../../schema/docker-documents.ts';
import { checkVerifiable } from '../verify.ts';
import type { ResolvedEntry } from '../layout/resolve-entry.ts';
import { deriveImage, type DerivedImage } from './derive-image.ts';
import { DOCKER_MANIFEST_FILE, OciArchive } from './oci-archive.ts';
import { embeddedManifest } from './embedded-manifest.ts';
import { blobName, TarBlobs } from './tar/tar-blobs.ts';
import { invalidArchive, TarFile, type OpenOptions } from './tar/tar-file.ts';
import { normalizeName } from './tar/tar-names.ts';

interface NamedImage {
  readonly image: ArchivedImage;
  /** Canonical references. */
  readonly names: readonly string[];
}

/**
 * An archive of `docker save`, in its old form (docker 1.10 to 24, podman, build tools) and its new one (docker 25 and
 * later, which is an OCI layout as well). Its manifest.json says which images there are; why not the layout's index:
 * docs/decisions/0020-archives.md. Read only.
 */
export class DockerArchive implements ContentReader {
  readonly location: string;
  readonly #tar: TarFile;
  readonly #layout: OciArchive | undefined;
  readonly #images: readonly NamedImage[];
  readonly #derived = new Map<NamedImage, Promise<DerivedImage>>();
  /** Where configs and layers lie, as far as images were looked at. */
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

  /** The image that a reference means, in its familiar or its canonical form; without one the only image there is. */
  async resolveRef(ref?: string): Promise<ResolvedEntry> {
    const wanted = ref === undefined ? undefined : canonicalReference(ref);
    const found = ref === undefined ? this.#images : this.#images.filter(({ names }) => names.includes(wanted ?? ''));
    const [only, ...others] = found;
    if (only === undefined) throw this.#absent(ref);
    if (!others.every(({ image }) => isSameImage(image, only.image))) throw await this.#several(found, wanted);
    const { descriptor } = (await this.#image(only)).content;
    const name = wanted ?? only.names[0];
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
    await this.#find(descriptor.digest);
    return this.#blobs.bytes(descriptor, signal);
  }

  async *readBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    await this.#find(descriptor.digest);
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

  /** Only its image says where a blob lies, and a manifest may have been known from before. */
  async #find(digest: Digest): Promise<void> {
    for (const image of this.#images) {
      if (this.#blobs.size(digest) !== undefined) return;
      await this.#image(image);
    }
  }

  #image(named: NamedImage): Promise<DerivedImage> {
    return getOrCreate(this.#derived, named, () => this.#derive(named.image));
  }

  async #derive(image: ArchivedImage): Promise<DerivedImage> {
    const own = this.#layout && (await embeddedManifest(this.#layout, image));
    if (own !== undefined)
      return { content: { ...own, descriptor: minimalDescriptor(own.descriptor) }, files: new Map() };
    const derived = await derivations.run(() => deriveImage(this.#tar, image));
    for (const [digest, name] of derived.files) this.#names.set(digest, name);
    return derived;
  }

  #absent(ref: string | undefined): MlistError {
    const names = this.#images.flatMap((image) => image.names);
    if (ref === undefined) return new MlistError('ERR_MLIST_NOT_FOUND', `${this.location} holds no image`);
    return new MlistError('ERR_MLIST_NOT_FOUND', `${this.location}:${ref} does not exist`, {
      reference: `${this.location}:${ref}`,
      hint: names.length === 0 ? 'Nothing there has a name.' : `There are: ${names.slice(0, MOST_SHOWN).join(', ')}.`,
    });
  }

  /** @param shared - the name that all of them have: then only their digests tell them apart */
  async #several(images: readonly NamedImage[], shared: string | undefined): Promise<MlistError> {
    const candidates = await Promise.all(
      images.slice(0, MOST_SHOWN).map(async (image) => {
        const [name] = shared === undefined ? image.names : [];
        const suffix = name === undefined ? `@${(await this.#image(image)).content.descriptor.digest}` : `:${name}`;
        return this.location + suffix;
      }),
    );
    const what = shared === undefined ? '' : ` under the name ${shared}`;
    const message = `${this.location} holds ${images.length} images${what}: say which is meant`;
    return new MlistError('ERR_MLIST_AMBIGUOUS', message, {
      reference: this.location,
      candidates,
    });
  }
}

const MOST_SHOWN = 20;

/** Manifests that are made at once: whole layers may be read for each. */
const derivations = new Limiter(4);

/** Some writers list an image once for each of its tags. */
function isSameImage(one: ArchivedImage, other: ArchivedImage): boolean {
  return one.config === other.config && one.layers.join('\n') === other.layers.join('\n');
}

/**
 * Opens an archive of `docker save`. One without manifest.json that is an OCI layout is read as that.
 * @param name what to call it; default: by its path
 * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_DOCUMENT_INVALID`
 */
export async function openDockerArchive(path: string, options: OpenOptions = {}): Promise<DockerArchive | OciArchive> {
  const location = `docker-archive:${options.name ?? path}`;
  const tar = await TarFile.open(path, options);
  try {
    const list = await tar.bytes(DOCKER_MANIFEST_FILE, ARCHIVE_LIMITS.maxBytes, options.signal);
    if (list === undefined) return await withoutList(tar, location, options);
    const images = readArchivedImages(list, `${tar.name}, ${DOCKER_MANIFEST_FILE}`).map((image) =>
      plainNames(image, tar),
    );
    // What is wrong with the layout beside the list does not matter: the list is enough.
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

/** The names of an image's files as the archive's index has them. */
function plainNames(image: ArchivedImage, tar: TarFile): ArchivedImage {
  try {
    return { ...image, config: normalizeName(image.config), layers: image.layers.map(normalizeName) };
  } catch (error) {
    throw invalidArchive(tar, `in its ${DOCKER_MANIFEST_FILE}, ${errorMessage(error)}`);
  }
}

function withoutList(tar: TarFile, location: string, options: ContentOptions): Promise<OciArchive> {
  if (tar.size('oci-layout') !== undefined) return OciArchive.fromTar(tar, location, options);
  const isAncient = tar.size('repositories') !== undefined;
  const reason = isAncient ? 'it was made by docker 1.9 or older' : 'it is no archive of "docker save"';
  const hint = isAncient ? 'Load it into a container engine, and save it again.' : undefined;
  throw invalidArchive(tar, `there is no ${DOCKER_MANIFEST_FILE} in it: ${reason}`, hint);
}

import { MlistError } from '../../errors/errors.ts';
import { formatEngineLocation, type EngineLocation } from '../../oci/engine-location.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import type { Reference } from '../../oci/reference.ts';
import {
  contentReference,
  type ContentOptions,
  type ContentReader,
  type FetchOptions,
  type LocalStore,
  type ManifestContent,
  type OriginLister,
  type TagOrDigest,
} from '../store.ts';
import { withPort } from '../origins.ts';
import type { EngineImage } from './engine-image.ts';
import type { Engine } from './engine.ts';
import { ImageExports, type ExportsOptions } from './image-exports.ts';

/**
 * Reads one engine image as a store. Manifests in the containerd store are read unchanged. The classic store and podman
 * do not keep manifests: a manifest is generated from the export, as for a docker archive. The engine is not contacted
 * before the store is used.
 */
export class EngineStore implements ContentReader, LocalStore, OriginLister {
  readonly location: string;
  readonly #image: EngineLocation;
  readonly #open: () => Promise<Engine>;
  readonly #options: ExportsOptions;
  #exports: Promise<ImageExports> | undefined;

  /** @param image - the location of the image, without `EngineLocation.digest` */
  constructor(image: EngineLocation, open: () => Promise<Engine>, options: ExportsOptions) {
    this.location = formatEngineLocation(image);
    this.#image = image;
    this.#open = open;
    this.#options = options;
  }

  /** Returns the engine's description of the image, without exporting the image. */
  async describe(options: ContentOptions = {}): Promise<EngineImage> {
    return (await this.#open()).inspect(this.#image, options);
  }

  /**
   * Returns the digest of the image's index or manifest. If the engine keeps no manifests, the image is exported to
   * generate one.
   */
  async rootDigest(options: ContentOptions = {}): Promise<Digest> {
    const { root } = await this.describe(options);
    return root?.digest ?? (await this.#savedDescriptor()).digest;
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return minimalDescriptor((await this.fetchManifest(name, options)).descriptor);
  }

  async fetchManifest(name: TagOrDigest, options: FetchOptions = {}): Promise<ManifestContent> {
    const image = await this.describe(options);
    const exports = await this.#exported();
    if (image.root === undefined) return (await exports.saved()).fetchManifest(name, options);
    const digest = isDigestName(name) ? name : image.root.digest;
    if (isUnavailable(image, digest)) throw this.#notFound(digest);
    const archive = digest === image.root.digest ? await exports.whole() : await exports.withManifest(digest);
    return archive.fetchManifest(digest, options);
  }

  async fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return (await this.#archiveWith(descriptor.digest, options)).fetchBlob(descriptor, options);
  }

  async *readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    yield* (await this.#archiveWith(descriptor.digest, options)).readBlob(descriptor, options);
  }

  async storedSize(digest: Digest): Promise<number | undefined> {
    const image = await this.describe();
    if (image.root === undefined) return this.#savedSize(digest);
    if (isUnavailable(image, digest)) return undefined;
    const part = image.parts.find(({ descriptor }) => descriptor.digest === digest);
    if (part !== undefined) return part.descriptor.size;
    return (await (await this.#exported()).withBlob(digest)).storedSize(digest);
  }

  /**
   * Returns the repositories from annotations in the export, then the repositories in the image's `RepoDigests`.
   * Returns an empty array if the engine keeps no manifests, because its images are always complete.
   */
  async origins(digest: Digest): Promise<readonly Reference[]> {
    const { root, repositories } = await this.describe();
    if (root === undefined) return [];
    const named = await (await (await this.#exported()).whole()).origins(digest);
    return [...named.map((origin) => withPort(origin, repositories)), ...repositories];
  }

  async close(): Promise<void> {
    await (await this.#exports?.catch(() => undefined))?.close();
  }

  async #archiveWith(digest: Digest, options: ContentOptions): Promise<ContentReader> {
    const { root } = await this.describe(options);
    const exports = await this.#exported();
    return root === undefined ? exports.saved() : exports.withBlob(digest);
  }

  #exported(): Promise<ImageExports> {
    const create = async (): Promise<ImageExports> => {
      const engine = await this.#open();
      return new ImageExports(engine, await engine.inspect(this.#image), this.location, this.#options);
    };
    this.#exports ??= create();
    return this.#exports;
  }

  /** Exports an image from an engine that keeps no manifests, and returns the descriptor of the generated manifest. */
  async #savedDescriptor(): Promise<Descriptor> {
    return (await (await (await this.#exported()).saved()).resolveRef()).descriptor;
  }

  async #savedSize(digest: Digest): Promise<number | undefined> {
    const archive = await (await this.#exported()).saved();
    const { descriptor } = await archive.resolveRef();
    if (descriptor.digest === digest) return descriptor.size;
    const { bytes } = await archive.fetchManifest(descriptor.digest);
    const { blobs } = childrenIn(readDocument(bytes), descriptor.mediaType);
    return blobs.find((blob) => blob.digest === digest)?.size;
  }

  #notFound(digest: Digest): MlistError {
    const reference = contentReference(this.location, digest);
    return new MlistError(
      'ERR_MLIST_NOT_FOUND',
      `the engine does not have ${reference}: it was neither pulled nor built there`,
      {
        reference,
      },
    );
  }
}

/** Whether the image's index lists this manifest, but the engine does not have it. */
function isUnavailable({ parts }: EngineImage, digest: Digest): boolean {
  return parts.some(({ descriptor, isAvailable }) => descriptor.digest === digest && !isAvailable);
}

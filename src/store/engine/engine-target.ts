import { MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Spool, SpoolFile } from '../../fs/spool.ts';
import { formatEngineLocation, nameOfImage, type EngineLocation } from '../../oci/engine-location.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import { storeName } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { ArchiveTarget } from '../archive/archive-target.ts';
import { isImage } from '../archive/docker-manifest-json.ts';
import type { TarSink } from '../archive/tar/tar-writer.ts';
import {
  contentReference,
  type ContentOptions,
  type ContentWriter,
  type EngineTargetFacts,
  type ManifestContent,
  type PutOptions,
  type TagOrDigest,
} from '../store.ts';
import type { EngineImage } from './engine-image.ts';
import type { Engine, ImageStore } from './engine.ts';

export interface EngineTargetParts {
  readonly engine: Engine;
  readonly image: EngineLocation;
  readonly imageStore: ImageStore;
  readonly spool: Spool;
  /** Whether this is a dry run. If so, the current image in the engine is not looked up. */
  readonly dryRun: boolean;
}

/** A complete archive that can be sent to an engine, and the image or list in it. */
export interface LoadableArchive {
  readonly file: SpoolFile;
  readonly root: ManifestContent;
}

/**
 * Collects an image or list for a container engine in a temporary archive, because engines can only load whole
 * archives. The containerd store gets an OCI archive, and other stores get a docker archive.
 */
export class EngineTarget implements ContentWriter {
  readonly location: string;
  readonly engine: EngineTargetFacts;
  readonly #parts: EngineTargetParts;
  readonly #archive: ArchiveTarget;
  readonly #name: string;
  readonly #opened: { file?: SpoolFile };
  #current: Promise<EngineImage | undefined> | undefined;
  #root: ManifestContent | undefined;

  private constructor(parts: EngineTargetParts, archive: ArchiveTarget, opened: { file?: SpoolFile }) {
    const { engine, image, imageStore } = parts;
    this.location = storeName(image);
    this.#parts = parts;
    this.#name = nameOfImage(image.image);
    this.#archive = archive;
    this.#opened = opened;
    this.engine = {
      holdsLists: imageStore === 'containerd',
      name: engine.name,
      isComplete: () => this.#isComplete(),
    };
  }

  static async create(parts: EngineTargetParts): Promise<EngineTarget> {
    const name = nameOfImage(parts.image.image);
    const opened: { file?: SpoolFile } = {};
    const archive = await ArchiveTarget.create({
      location: storeName(parts.image),
      existing: undefined,
      imageName: () => name,
      format: parts.imageStore === 'containerd' ? 'oci' : 'docker',
      openSink: async () => sinkTo((opened.file = await parts.spool.create())),
    });
    return new EngineTarget(parts, archive, opened);
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    if (isDigestName(name)) return this.#archive.resolve(name, options);
    const root = (await this.#currentImage())?.root;
    if (root !== undefined) return minimalDescriptor(root);
    const reference = contentReference(this.location, name);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `no manifest found for ${reference}`, {
      reference,
    });
  }

  fetchManifest(name: TagOrDigest, options: ContentOptions = {}): Promise<ManifestContent> {
    return this.#archive.fetchManifest(name, options);
  }

  fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return this.#archive.fetchBlob(descriptor, options);
  }

  readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#archive.readBlob(descriptor, options);
  }

  hasManifest(digest: Digest): Promise<boolean> {
    return this.#archive.hasManifest(digest);
  }

  hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#archive.hasBlob(descriptor);
  }

  async putManifest(content: ManifestContent, name: TagOrDigest, options: PutOptions = {}): Promise<void> {
    if (isDigestName(name)) return this.#archive.putManifest(content, name, options);
    this.#requireImage(content);
    this.#root = content;
    return this.#archive.putManifest(content, name, { signal: options.signal });
  }

  putBlob(blob: Descriptor, open: () => AsyncIterable<Uint8Array>, options: ContentOptions = {}): Promise<void> {
    return this.#archive.putBlob(blob, open, options);
  }

  /** Completes the archive and returns it. Returns undefined if no image or list was written. */
  async commit(options: ContentOptions = {}): Promise<LoadableArchive | undefined> {
    if (this.#root === undefined) return undefined;
    await this.#archive.commit(options);
    const { file } = this.#opened;
    return file === undefined ? undefined : { file, root: this.#root };
  }

  /** Deletes the temporary archive. */
  async discard(): Promise<void> {
    await this.#opened.file?.release();
  }

  /**
   * Returns the image to which the target's name currently refers in the engine. Returns undefined if the engine does
   * not have the name, in a dry run, and for engines that keep no manifests.
   */
  #currentImage(): Promise<EngineImage | undefined> {
    const { engine, image, dryRun } = this.#parts;
    if (dryRun || !this.engine.holdsLists) return Promise.resolve(undefined);
    this.#current ??= ignoreNotFound(engine.current(image));
    return this.#current;
  }

  async #isComplete(): Promise<boolean> {
    const image = await this.#currentImage();
    if (image?.root === undefined || image.root.mediaType === '') return false;
    if (!isIndexType(image.root.mediaType)) return true;
    return image.parts.length > 0 && image.parts.every(({ isAvailable }) => isAvailable);
  }

  /** Refuses artifacts that are not images, such as Helm charts, if the engine can only store images. */
  #requireImage({ bytes, descriptor }: ManifestContent): void {
    if (this.engine.holdsLists) return;
    if (isImage(childrenIn(readDocument(bytes), descriptor.mediaType))) return;
    const reference = formatEngineLocation(this.#parts.image);
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `cannot load ${this.#name}: ${descriptor.digest} is not a container image`,
      {
        reference,
        hint: `${this.engine.name} can only store images. Copy this content to a registry, an OCI layout or an OCI archive.`,
      },
    );
  }
}

function sinkTo(file: SpoolFile): TarSink {
  return {
    write: (bytes) => file.append(bytes),
    rewind: (length) => file.rewind(length),
    finish: () => Promise.resolve(),
    discard: () => file.release(),
  };
}

import { MlistError } from '../../errors/errors.ts';
import type {
  ManifestContent,
  ContentOptions,
  ContentReader,
  ContentWriter,
  FetchOptions,
  Mounter,
  TagOrDigest,
  PutOptions,
  ReferrerLister,
  LocalStore,
  TagStore,
} from '../store.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { digestMatches, isDigestName, type Digest } from '../../oci/digest.ts';
import { isTag } from '../../oci/reference.ts';
import { checkVerifiable } from '../verify.ts';
import { BlobFolder, blobWrites } from './blob-folder.ts';
import { IndexEditor } from './index-editor.ts';
import { ManifestGraph } from './manifest-graph.ts';
import { IndexFile } from './index-file.ts';
import { resolveEntry, type ResolvedEntry } from './resolve-entry.ts';
import type { StagedBlob } from './staged-blob.ts';
import { LayoutView, type LayoutParts } from './layout-view.ts';

/** What image-spec v1.1.1 annotations.md allows for `org.opencontainers.image.ref.name`. */
const refName = /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

/** An OCI image layout folder (image-spec v1.1.1 image-layout.md); `openLayout` opens one. */
export class Layout implements ContentWriter, TagStore, ReferrerLister, Mounter, LocalStore {
  readonly location: string;
  readonly #blobs: BlobFolder;
  readonly #parts: LayoutParts;
  readonly #view: LayoutView;
  readonly #edits: IndexEditor;

  /**
   * @param dir the folder as it was named
   * @param root its real path
   * @param keepUntagged as in the options of `openLayout`
   */
  constructor(dir: string, root: string, keepUntagged: boolean) {
    this.location = `oci:${dir}`;
    this.#blobs = new BlobFolder(root, this.location);
    const index = new IndexFile(root, dir);
    const graph = new ManifestGraph(this.#blobs);
    const blobs = this.#blobs;
    this.#parts = {
      location: this.location,
      graph,
      entries: () => index.entries(),
      size: (digest) => blobs.size(digest),
      bytes: (blob, signal) => blobs.bytes(blob, signal),
    };
    this.#view = new LayoutView(this.#parts);
    this.#edits = new IndexEditor({ root, location: this.location, index, graph, blobs, keepUntagged });
  }

  /** The entries of index.json in their order, with their annotations. */
  entries(): Promise<readonly Descriptor[]> {
    return this.#view.entries();
  }

  /** What a location without a digest means here: by its reference, else the only image or list there is. */
  resolveRef(ref?: string): Promise<ResolvedEntry> {
    return resolveEntry(this.#parts, ref);
  }

  resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return this.#view.resolve(name, options);
  }

  fetchManifest(name: TagOrDigest, options: FetchOptions = {}): Promise<ManifestContent> {
    return this.#view.fetchManifest(name, options);
  }

  fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return this.#blobs.bytes(descriptor, options.signal);
  }

  readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#blobs.stream(descriptor, options.signal);
  }

  /** A part of a blob, from `start` up to, not including, `end`. It cannot be verified. */
  readBlobPart(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array> {
    return this.#blobs.range(digest, start, end);
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.missingManifests([digest])).length === 0;
  }

  /** Those of the manifests that are not here. */
  missingManifests(digests: readonly Digest[]): Promise<readonly Digest[]> {
    return this.#view.missing(digests);
  }

  /** Those of the manifests that are here, with the media type and the size of their own bytes. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    return this.#view.stored(digests);
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return (await this.#blobs.size(digest)) === size;
  }

  storedSize(digest: Digest): Promise<number | undefined> {
    return this.#blobs.size(digest);
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such blob. */
  async blobSize(digest: Digest): Promise<number> {
    const size = await this.#blobs.size(digest);
    if (size !== undefined) return size;
    throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no blob ${digest} in ${this.location}`);
  }

  async putManifest(
    { descriptor, bytes }: ManifestContent,
    name: TagOrDigest,
    options: PutOptions = {},
  ): Promise<void> {
    options.signal?.throwIfAborted();
    const { digest, size } = descriptor;
    checkVerifiable(digest);
    if (bytes.length !== size || !digestMatches(digest, bytes)) {
      throw mismatch(`the manifest to be stored is not ${digest}`);
    }
    if (isDigestName(name) && name !== digest) throw mismatch(`the manifest to be stored is ${digest}, not ${name}`);
    if (!isDigestName(name)) checkTag(name);
    const isNew = await this.#blobs.write(descriptor, bytes);
    this.#parts.graph.record(digest, bytes);
    await this.#edits.put(minimalDescriptor(descriptor), isDigestName(name) ? undefined : name, isNew, options);
  }

  /** What lies there already, and is whole, is not asked for. */
  async putBlob(
    { digest, size }: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    options: ContentOptions = {},
  ): Promise<void> {
    checkVerifiable(digest);
    await blobWrites.run(async () => {
      if (await this.#blobs.hasIntact({ digest, size }, options.signal)) return;
      const staged = await this.#blobs.stage();
      try {
        await staged.append(open(), { signal: options.signal, limit: size });
        if (staged.size !== size) throw mismatch(`${digest} has ${size} bytes, but ${staged.size} came`);
      } catch (error) {
        await staged.discard();
        throw error;
      }
      await staged.commit(digest);
    });
  }

  /** Begins a blob whose digest is not known yet. */
  stageBlob(): Promise<StagedBlob> {
    return this.#blobs.stage();
  }

  canMountFrom(source: ContentReader): boolean {
    return source instanceof Layout;
  }

  /** Between layouts on one file system: a hard link. */
  async mountBlob(
    descriptor: Descriptor,
    from: ContentReader,
    open: () => AsyncIterable<Uint8Array>,
    options: ContentOptions = {},
  ): Promise<'mounted' | 'uploaded'> {
    if (from instanceof Layout && (await this.#blobs.linkFrom(from.#blobs, descriptor))) return 'mounted';
    await this.putBlob(descriptor, open, options);
    return 'uploaded';
  }

  /**
   * Removes a blob, whoever still refers to it.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_CONFLICT` where it is a manifest.
   */
  async deleteBlob(digest: Digest): Promise<void> {
    if (await this.#view.isManifest(digest)) {
      throw new MlistError('ERR_MLIST_CONFLICT', `${digest} is a manifest of ${this.location}`);
    }
    await this.#blobs.remove(digest);
  }

  /** Removes a manifest and all its tags. What it points at stays, and so do its bytes where another manifest needs them. */
  deleteManifest(digest: Digest, options: ContentOptions = {}): Promise<void> {
    return this.#edits.remove(digest, options);
  }

  /** The tags in the order of index.json, each once. A layout of another tool may use any text as a tag. */
  tags(options: ContentOptions = {}): AsyncGenerator<string> {
    return this.#view.tags(options);
  }

  untag(tag: string, options: ContentOptions = {}): Promise<void> {
    return this.#edits.untag(tag, options);
  }

  referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    return this.#view.referrers(digest, artifactType);
  }
}

function checkTag(tag: string): void {
  if (isTag(tag) || refName.test(tag)) return;
  throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${JSON.stringify(tag.slice(0, 200))} is no name for an image`);
}

function mismatch(message: string): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message);
}

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
  OriginLister,
  TagStore,
} from '../store.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { digestMatches, isDigestName, type Digest } from '../../oci/digest.ts';
import { isTag, type Reference } from '../../oci/reference.ts';
import { checkVerifiable, contentMismatch, type BlobIdentity } from '../verify.ts';
import { BlobFolder, blobWrites, RECENT_MS } from './blob-folder.ts';
import type { Garbage, GarbageOptions } from './garbage.ts';
import { IndexEditor, type EditedLayout } from './index-editor.ts';
import { ManifestGraph } from './manifest-graph.ts';
import { IndexFile } from './index-file.ts';
import { resolveEntry, type ResolvedEntry } from './resolve-entry.ts';
import type { StagedBlob } from './staged-blob.ts';
import { LayoutView, type LayoutParts } from './layout-view.ts';

/** Grammar of `org.opencontainers.image.ref.name` (image-spec v1.1.1 annotations.md). */
const refName = /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

export interface LayoutMode {
  readonly keepUntagged: boolean;
  readonly journalFrom?: number | undefined;
  readonly holdMs?: number | undefined;
}

/** An OCI image layout folder (image-spec v1.1.1 image-layout.md); `openLayout` opens one. */
export class Layout implements ContentWriter, TagStore, ReferrerLister, Mounter, LocalStore, OriginLister {
  readonly location: string;
  readonly #blobs: BlobFolder;
  readonly #parts: LayoutParts;
  readonly #view: LayoutView;
  readonly #edited: EditedLayout;
  readonly #editor: IndexEditor;
  readonly #holdMs: number;

  /**
   * @param dir - the folder as specified by the user
   * @param root - its real path
   * @param mode - as in the options of `openLayout`
   */
  constructor(dir: string, root: string, { keepUntagged, journalFrom, holdMs = RECENT_MS }: LayoutMode) {
    this.location = `oci:${dir}`;
    this.#blobs = new BlobFolder(root, this.location);
    const index = new IndexFile(root, dir, journalFrom);
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
    this.#holdMs = holdMs;
    this.#edited = { root, location: this.location, index, graph, blobs, keepUntagged };
    this.#editor = new IndexEditor(this.#edited);
  }

  /** The descriptors in index.json in their order, with annotations. */
  entries(): Promise<readonly Descriptor[]> {
    return this.#view.entries();
  }

  /** Resolves the name in a location `oci:DIR:NAME`; without a name, the only image or list. */
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

  /** Streams a blob to a client; a chunk is valid until the next one is requested. See `BlobFolder.serve`. */
  serveBlob(blob: BlobIdentity): AsyncIterable<Uint8Array> {
    return this.#blobs.serve(blob);
  }

  /** Streams the bytes of a blob from `start` to `end` (exclusive), without verification. */
  readBlobPart(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array> {
    return this.#blobs.range(digest, start, end);
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.missingManifests([digest])).length === 0;
  }

  /** The digests of manifests that the layout does not have. */
  missingManifests(digests: readonly Digest[]): Promise<readonly Digest[]> {
    return this.#view.missing(digests);
  }

  /** The manifests that the layout has, with the media type and the size of their bytes. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    return this.#view.stored(digests);
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return (await this.#blobs.size(digest)) === size;
  }

  storedSize(digest: Digest): Promise<number | undefined> {
    return this.#blobs.size(digest);
  }

  /**
   * The size of a blob in bytes.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist
   */
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
      throw contentMismatch(`the manifest to be stored is not ${digest}`);
    }
    if (isDigestName(name) && name !== digest)
      throw contentMismatch(`the manifest to be stored is ${digest}, not ${name}`);
    if (!isDigestName(name)) checkTag(name);
    const isNew = await this.#blobs.write(descriptor, bytes);
    this.#parts.graph.record(digest, bytes);
    const tag = isDigestName(name) ? undefined : name;
    await this.#editor.put(minimalDescriptor(descriptor), tag, isNew, { ...options, bytes });
  }

  /**
   * Marks a blob as used because a client is about to refer to it, so that garbage collection keeps it for the grace
   * time.
   * @returns the size of the blob in bytes
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist
   */
  async holdBlob(digest: Digest): Promise<number> {
    const file = await this.#blobs.file(digest);
    // Without the lock, a garbage collection could be about to remove the blob.
    if (file !== undefined && Date.now() - file.used > this.#holdMs) {
      await this.#editor.exclusive(() => this.#blobs.refresh(digest));
    }
    return await this.blobSize(digest);
  }

  /** Removes unreachable content; see the function `collectGarbage`. */
  async collectGarbage(options: GarbageOptions): Promise<Garbage> {
    const { collectGarbage } = await import('./garbage.ts');
    return await collectGarbage(this.#edited, this.#editor, options);
  }

  /** Writes the edits of the journal to index.json, for other tools. */
  mergeJournal(options: ContentOptions = {}): Promise<void> {
    return this.#editor.merge(options);
  }

  /** Stores a blob. Does not call `open` if the blob exists and is intact. */
  async putBlob(
    { digest, size }: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    options: ContentOptions = {},
  ): Promise<void> {
    checkVerifiable(digest);
    await blobWrites.run(async () => {
      if (await this.#blobs.keeps({ digest, size }, options.signal)) return;
      const staged = await this.#blobs.stage();
      try {
        await staged.append(open(), { signal: options.signal, limit: size });
        if (staged.size !== size)
          throw contentMismatch(`${digest} has ${size} bytes, but ${staged.size} were received`);
      } catch (error) {
        await staged.discard();
        throw error;
      }
      await staged.commit(digest);
    });
  }

  /** Starts an upload of a blob whose digest is not known yet. */
  stageBlob(): Promise<StagedBlob> {
    return this.#blobs.stage();
  }

  canMountFrom(source: ContentReader): boolean {
    return source instanceof Layout;
  }

  /** Mounts a blob from another layout: by a hard link if both are on the same file system, otherwise by a copy. */
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
   * Removes a blob, even if a manifest refers to it.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_CONFLICT` if it is a manifest
   */
  async deleteBlob(digest: Digest): Promise<void> {
    if (await this.#view.isManifest(digest)) {
      throw new MlistError('ERR_MLIST_CONFLICT', `${digest} is a manifest of ${this.location}`);
    }
    await this.#blobs.remove(digest);
  }

  /**
   * Removes a manifest and all its tags. Its children and blobs are kept. Its bytes are kept, too, if another manifest
   * has them as a config or layer.
   */
  deleteManifest(digest: Digest, options: ContentOptions = {}): Promise<void> {
    return this.#editor.remove(digest, options);
  }

  /** The tags in the order of index.json, without duplicates. Layouts of other tools may use any text as a tag. */
  tags(options: ContentOptions = {}): AsyncGenerator<string> {
    return this.#view.tags(options);
  }

  untag(tag: string, options: ContentOptions = {}): Promise<void> {
    return this.#editor.untag(tag, options);
  }

  referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    return this.#view.referrers(digest, artifactType);
  }

  origins(digest: Digest): Promise<readonly Reference[]> {
    return this.#view.origins(digest);
  }
}

function checkTag(tag: string): void {
  if (isTag(tag) || refName.test(tag)) return;
  throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `invalid image name ${JSON.stringify(tag.slice(0, 200))}`);
}

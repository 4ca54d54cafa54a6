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
   * @param dir - name of the folder in locations and errors
   * @param root - real path of the folder
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

  /** Returns the descriptors of all entries in the order of index.json, with their annotations. */
  entries(): Promise<readonly Descriptor[]> {
    return this.#view.entries();
  }

  /** Resolves the name in a location `oci:DIR:NAME`. Without a name, resolves to the only image or list. */
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

  /** Returns the digests for which the layout has no manifest. */
  missingManifests(digests: readonly Digest[]): Promise<readonly Digest[]> {
    return this.#view.missing(digests);
  }

  /**
   * Returns the descriptors of the given manifests that the layout has, keyed by digest. They state the media type and
   * size of the stored bytes.
   */
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
   * Returns the size of a blob in bytes.
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
      throw contentMismatch(`the manifest does not match its digest ${digest} or its size ${size}`);
    }
    if (isDigestName(name) && name !== digest)
      throw contentMismatch(`the manifest has the digest ${digest}, not ${name}`);
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
    // Waiting for the lock ensures that no garbage collection is about to remove the blob.
    if (file !== undefined && Date.now() - file.used > this.#holdMs) {
      await this.#editor.exclusive(() => this.#blobs.refresh(digest));
    }
    return await this.blobSize(digest);
  }

  /** Removes unreachable content, as `collectGarbage` in garbage.ts describes. */
  async collectGarbage(options: GarbageOptions): Promise<Garbage> {
    const { collectGarbage } = await import('./garbage.ts');
    return await collectGarbage(this.#edited, this.#editor, options);
  }

  /** Writes the edits of the journal to index.json, where other tools can read them. */
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
        await staged.append(open(), { signal: options.signal, expected: { digest, size } });
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

  /** Stores a blob as a hard link to its file in another layout (`mounted`) or else as a copy (`uploaded`). */
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
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist; `ERR_MLIST_CONFLICT` if it is a manifest
   */
  async deleteBlob(digest: Digest): Promise<void> {
    if (await this.#view.isManifest(digest)) {
      throw new MlistError(
        'ERR_MLIST_CONFLICT',
        `cannot delete the blob ${digest} in ${this.location}: it is a manifest`,
      );
    }
    await this.#blobs.remove(digest);
  }

  /**
   * Removes a manifest and all its tags, but not its children and blobs. The bytes of the manifest remain as a blob if
   * a manifest has them as its config or a layer, or an index lists them as a blob.
   */
  deleteManifest(digest: Digest, options: ContentOptions = {}): Promise<void> {
    return this.#editor.remove(digest, options);
  }

  /**
   * Yields the tags in the order of index.json, without duplicates. In layouts that other tools have written, a tag may
   * be any string.
   */
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
  const message = `invalid image name ${JSON.stringify(tag.slice(0, 200))}`;
  const form = 'use letters and digits, with single separators such as "-", "." or "/" between them';
  throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${message}: ${form}`);
}

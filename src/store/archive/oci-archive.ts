import { MlistError } from '../../errors/errors.ts';
import type {
  ManifestContent,
  ContentOptions,
  ContentReader,
  FetchOptions,
  TagOrDigest,
  ReferrerLister,
  LocalStore,
  OriginLister,
} from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Reference } from '../../oci/reference.ts';
import { EntryTable } from '../layout/entry-table.ts';
import type { Entries } from '../layout/index-entries.ts';
import { ManifestGraph } from '../layout/manifest-graph.ts';
import { checkHeader, HEADER_FILE } from '../layout/layout-header.ts';
import { INDEX_LIMITS, parseIndex } from '../layout/index-document.ts';
import { resolveEntry, type ResolvedEntry } from '../layout/resolve-entry.ts';
import { LayoutView, type LayoutParts } from '../layout/layout-view.ts';
import { TarBlobs } from './tar/tar-blobs.ts';
import { invalidArchive, TarFile, type OpenOptions } from './tar/tar-file.ts';

/** The file with the index of an OCI layout. */
export const INDEX_FILE = 'index.json';

/** The file that lists the images in an archive of `docker save`. */
export const DOCKER_MANIFEST_FILE = 'manifest.json';

/**
 * An OCI archive: a tar file of an OCI image layout (image-spec v1.1.1 image-layout.md). It is read without unpacking.
 */
export class OciArchive implements ContentReader, ReferrerLister, LocalStore, OriginLister {
  readonly location: string;
  readonly #tar: TarFile;
  readonly #blobs: TarBlobs;
  readonly #parts: LayoutParts;
  readonly #view: LayoutView;

  private constructor(location: string, tar: TarFile, entries: Entries) {
    this.location = location;
    this.#tar = tar;
    this.#blobs = new TarBlobs(tar);
    const table = new EntryTable(entries);
    this.#parts = {
      location,
      graph: new ManifestGraph(this.#blobs),
      entries: () => Promise.resolve(table),
      size: (digest) => Promise.resolve(this.#blobs.size(digest)),
      bytes: (blob, signal) => this.#blobs.bytes(blob, signal),
    };
    this.#view = new LayoutView(this.#parts);
  }

  /**
   * Opens an archive.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the file does not exist; `ERR_MLIST_DOCUMENT_INVALID` if it is not a
   * valid OCI archive
   */
  static async open(path: string, options: OpenOptions = {}): Promise<OciArchive> {
    const tar = await TarFile.open(path, options);
    try {
      return await OciArchive.fromTar(tar, options.location ?? `oci-archive:${options.name ?? path}`, options);
    } catch (error) {
      await tar.close();
      throw error;
    }
  }

  /**
   * Reads the layout in an open tar file.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the file does not contain a valid layout
   */
  static async fromTar(tar: TarFile, location: string, { signal }: ContentOptions = {}): Promise<OciArchive> {
    const header = await tar.bytes(HEADER_FILE, MAX_HEADER_BYTES, signal);
    if (header === undefined) throw notLayout(tar);
    checkHeader(header, { path: tar.path, name: `${tar.name}, ${HEADER_FILE}` });
    const index = await tar.bytes(INDEX_FILE, INDEX_LIMITS.maxBytes, signal);
    if (index === undefined) throw invalidArchive(tar, `it contains no ${INDEX_FILE}`);
    return new OciArchive(location, tar, entriesOf(tar, index));
  }

  /** Whether the whole archive is compressed. */
  get isCompressed(): boolean {
    return this.#tar.isCompressed;
  }

  /** Returns the entries of index.json. */
  async entries(): Promise<Entries> {
    return (await this.#parts.entries()).all();
  }

  resolveRef(ref?: string): Promise<ResolvedEntry> {
    return resolveEntry(this.#parts, ref);
  }

  resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return this.#view.resolve(name, options);
  }

  fetchManifest(name: TagOrDigest, options: FetchOptions = {}): Promise<ManifestContent> {
    return this.#view.fetchManifest(name, options);
  }

  fetchBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): Promise<Uint8Array> {
    return this.#blobs.bytes(descriptor, signal);
  }

  readBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#blobs.stream(descriptor, signal);
  }

  storedSize(digest: Digest): Promise<number | undefined> {
    return this.#parts.size(digest);
  }

  hasBlob({ digest, size }: Descriptor): boolean {
    return this.#blobs.size(digest) === size;
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.#view.missing([digest])).length === 0;
  }

  tags(options: ContentOptions = {}): AsyncGenerator<string> {
    return this.#view.tags(options);
  }

  referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    return this.#view.referrers(digest, artifactType);
  }

  origins(digest: Digest): Promise<readonly Reference[]> {
    return this.#view.origins(digest);
  }

  /** Returns the descriptors of all content that index.json lists, directly or through an index. */
  async manifests(): Promise<readonly Descriptor[]> {
    return this.#parts.graph.allDescriptors(await this.#view.entries());
  }

  async close(): Promise<void> {
    await this.#tar.close();
  }
}

const MAX_HEADER_BYTES = 64 * 1024;

function entriesOf(tar: TarFile, index: Uint8Array): Entries {
  try {
    return parseIndex(index).entries;
  } catch (error) {
    if (!(error instanceof MlistError)) throw error;
    throw invalidArchive(tar, `its ${INDEX_FILE} is damaged: ${error.message}`);
  }
}

function notLayout(tar: TarFile): MlistError {
  const hint =
    tar.size(DOCKER_MANIFEST_FILE) === undefined
      ? undefined
      : 'The file looks like an archive of "docker save": use docker-archive:FILE.';
  return invalidArchive(tar, `it is not an OCI archive, because it contains no ${HEADER_FILE} file`, hint);
}

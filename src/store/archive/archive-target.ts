import { MlistError } from '../../errors/errors.ts';
import { Limiter } from '../../async/limiter.ts';
import { SerialQueue } from '../../async/serial-queue.ts';
import type {
  ManifestContent,
  ContentOptions,
  ContentWriter,
  FetchOptions,
  TagOrDigest,
  PutOptions,
} from '../store.ts';
import { AnnotationKey, minimalDescriptor, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import { conflictError, contentReference } from '../store.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { digestMatches, isDigestName, type Digest } from '../../oci/digest.ts';
import { tagOf, withTag, type Entries } from '../layout/index-entries.ts';
import { HEADER, HEADER_FILE } from '../layout/layout-header.ts';
import { checkVerifiable, contentMismatch, damageError, verified, readWhole } from '../verify.ts';
import { finishArchive } from './finish-archive.ts';
import type { OciArchive } from './oci-archive.ts';
import { blobName } from './tar/tar-blobs.ts';
import { TarWriter, type TarSink } from './tar/tar-writer.ts';

/** Maximum size of a blob that is read ahead, in bytes. */
const SMALL_BLOB_BYTES = 256 * 1024;
/** Maximum total size of the blobs that are being read ahead, in bytes. */
const MAX_READ_AHEAD_BYTES = 16 * 1024 * 1024;
const MAX_CONCURRENT_READS = 64;

export interface ArchiveTargetParts {
  /** The location of the archive, such as `oci-archive:FILE`, for messages. */
  readonly location: string;
  /** The archive to be replaced. An image is kept unless its last tag is moved to new content. */
  readonly existing: OciArchive | undefined;
  /** Returns the full reference for a tag of the archive; undefined if the reference is unknown. */
  readonly imageName: (tag: string) => string | undefined;
  /** `docker`: one image as in `docker save`, without an index. Default: an OCI archive. */
  readonly format?: 'oci' | 'docker' | undefined;
  /** Opens the file or pipe. Called before the first write. */
  readonly openSink: () => Promise<TarSink>;
}

/**
 * An OCI or docker archive that is being written. Blobs are written one after another, in the order of the `putBlob`
 * calls. Manifests follow at the end. An archive file appears at its path only when `commit` has completed it.
 */
export class ArchiveTarget implements ContentWriter {
  readonly location: string;
  readonly #parts: ArchiveTargetParts;
  readonly #queue = new SerialQueue();
  readonly #manifests = new Map<Digest, ManifestContent>();
  readonly #blobs = new Map<Digest, number>();
  readonly #untagged = new Map<Digest, Descriptor>();
  /** Total size in bytes of the small blobs that are being read ahead. */
  #readAheadBytes = 0;
  /** Limits concurrent reads, because each may keep a file or a connection open. */
  readonly #readers = new Limiter(MAX_CONCURRENT_READS);
  #entries: Entries;
  #writer: TarWriter | undefined;

  private constructor(parts: ArchiveTargetParts, entries: Entries) {
    this.location = parts.location;
    this.#parts = parts;
    this.#entries = entries;
  }

  static async create(parts: ArchiveTargetParts): Promise<ArchiveTarget> {
    return new ArchiveTarget(parts, (await parts.existing?.entries()) ?? []);
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return (await this.fetchManifest(name, options)).descriptor;
  }

  async fetchManifest(name: TagOrDigest, options: FetchOptions = {}): Promise<ManifestContent> {
    const digest = isDigestName(name) ? name : this.#entries.find((entry) => tagOf(entry) === name)?.descriptor.digest;
    const written = digest === undefined ? undefined : this.#manifests.get(digest);
    if (written !== undefined) return written;
    if (digest !== undefined && this.#parts.existing !== undefined) {
      return this.#parts.existing.fetchManifest(digest, options);
    }
    const reference = contentReference(this.location, name);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }

  async fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return this.#existingArchive(descriptor).fetchBlob(descriptor, options);
  }

  readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#existingArchive(descriptor).readBlob(descriptor, options);
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return this.#manifests.has(digest) || ((await this.#parts.existing?.hasManifest(digest)) ?? false);
  }

  hasBlob(descriptor: Descriptor): Promise<boolean> {
    const isWritten = this.#blobs.get(descriptor.digest) === descriptor.size;
    return Promise.resolve(isWritten || (this.#parts.existing?.hasBlob(descriptor) ?? false));
  }

  async putManifest(
    { descriptor, bytes }: ManifestContent,
    name: TagOrDigest,
    options: PutOptions = {},
  ): Promise<void> {
    const { digest, size } = descriptor;
    options.signal?.throwIfAborted();
    if (bytes.length !== size || !digestMatches(checkVerifiable(digest), bytes))
      throw contentMismatch(`the manifest does not match its digest ${digest} or its size ${size}`);
    if (isDigestName(name) && name !== digest)
      throw contentMismatch(`the manifest has the digest ${digest}, not ${name}`);
    if (options.ifMatch !== undefined) await this.#checkCondition(name, options.ifMatch);
    this.#manifests.set(digest, { descriptor: minimalDescriptor(descriptor), bytes });
    if (isDigestName(name)) this.#untagged.set(digest, minimalDescriptor(descriptor));
    else this.#entries = withTag(this.#entries, descriptor, name, this.#annotationsOf(name));
  }

  /**
   * Writes a blob after the blobs of earlier calls, unless the archive has it. Small blobs are read ahead while others
   * are being written, so that their latencies do not add up. If reading ahead fails, the promise rejects at once, even
   * if earlier blobs have not been written yet.
   */
  async putBlob(
    blob: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    { signal }: ContentOptions = {},
  ): Promise<void> {
    const { digest, size } = blob;
    const exists = (): boolean => this.#blobs.has(digest) || this.#parts.existing?.hasBlob(blob) === true;
    const isReadAhead = size <= SMALL_BLOB_BYTES && this.#readAheadBytes + size <= MAX_READ_AHEAD_BYTES && !exists();
    const readAhead = isReadAhead ? this.#readAhead(blob, open) : undefined;
    const written = this.#queue.run(async () => {
      signal?.throwIfAborted();
      if (exists()) return;
      const bytes = await readAhead;
      const writer = await this.#open();
      if (bytes === undefined) await writer.add(blobName(digest), size, verified(blob, open(), damageError()));
      else await writer.addBytes(blobName(digest), bytes);
      this.#blobs.set(digest, size);
    });
    await Promise.all([written, readAhead]);
  }

  #readAhead(blob: Descriptor, open: () => AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    this.#readAheadBytes += blob.size;
    const read = () => readWhole(blob, () => verified(blob, open(), damageError()));
    return this.#readers.run(read).finally(() => (this.#readAheadBytes -= blob.size));
  }

  /**
   * Writes the remaining files (see `finishArchive`), and completes the output. If no manifest was put, or if an error
   * occurs, the output is discarded.
   */
  async commit({ signal }: ContentOptions = {}): Promise<void> {
    if (this.#manifests.size === 0) return this.discard();
    const writer = await this.#open();
    try {
      await finishArchive(writer, {
        location: this.location,
        entries: this.#entries,
        untagged: [...this.#untagged.values()],
        manifests: this.#manifests,
        written: this.#blobs,
        existing: this.#parts.existing,
        format: this.#parts.format,
        signal,
      });
      await this.#parts.existing?.close();
      await writer.finish();
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  /** Discards the output, such as the temporary file. The existing archive is not changed. */
  async discard(): Promise<void> {
    await this.#writer?.discard();
    this.#writer = undefined;
  }

  async #open(): Promise<TarWriter> {
    if (this.#writer !== undefined) return this.#writer;
    const writer = new TarWriter(await this.#parts.openSink());
    this.#writer = writer;
    if (this.#parts.format !== 'docker') await writer.addBytes(HEADER_FILE, Buffer.from(HEADER));
    return writer;
  }

  async #checkCondition(name: TagOrDigest, expected: Digest | 'absent'): Promise<void> {
    const current = await ignoreNotFound(this.resolve(name));
    if ((current?.digest ?? 'absent') !== expected)
      throw conflictError(contentReference(this.location, name), expected);
  }

  #annotationsOf(tag: string): Annotations {
    const name = this.#parts.imageName(tag);
    return name === undefined ? {} : { [AnnotationKey.imageName]: name };
  }

  /**
   * Returns the existing archive, because only its blobs can be read. Blobs that were put into the new archive cannot
   * be read before it is complete.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if there is no existing archive
   */
  #existingArchive({ digest }: Descriptor): OciArchive {
    if (this.#parts.existing !== undefined) return this.#parts.existing;
    throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no blob ${digest} in ${this.location}`);
  }
}

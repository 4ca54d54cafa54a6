import { MlistError } from '../../errors/errors.ts';
import type { HeldLock } from '../../fs/atomic.ts';
import { Limiter } from '../../async/limiter.ts';
import { SerialQueue } from '../../async/serial-queue.ts';
import type {
  ManifestContent,
  ContentOptions,
  ContentWriter,
  FetchOptions,
  TagOrDigest,
  PutOptions,
  Whole,
} from '../store.ts';
import { AnnotationKey, minimalDescriptor, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import { conflictError } from '../store.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { digestMatches, isDigestName, type Digest } from '../../oci/digest.ts';
import { tagOf, withTag, type Entries } from '../layout/index-entries.ts';
import { HEADER, HEADER_FILE } from '../layout/layout-header.ts';
import { checkVerifiable, damagedBlob, damageError, verified, readWhole } from '../verify.ts';
import { finishArchive } from './finish-archive.ts';
import type { OciArchive } from './oci-archive.ts';
import { blobName } from './tar/tar-blobs.ts';
import { TarWriter } from './tar/tar-writer.ts';

const SMALL_BYTES = 256 * 1024;
const MOST_AHEAD_BYTES = 16 * 1024 * 1024;
const MOST_AHEAD = 64;

export interface ArchiveTargetParts {
  /** Where the archive is to be. */
  readonly path: string;
  /** As people name it. */
  readonly location: string;
  /** The archive that lies there: its images stay, unless their names are given away. */
  readonly existing: OciArchive | undefined;
  /** The full reference that a tag of the archive stands for; undefined where nobody can say. */
  readonly imageName: (tag: string) => string | undefined;
  /** The lock that protects the place of the archive. */
  readonly lock: HeldLock;
}

/**
 * An OCI archive that is being written. Blobs go into it as they come, one after another in the order in which they were
 * asked for; manifests follow at the end. Nothing is at its place before all is.
 */
export class ArchiveTarget implements ContentWriter, Whole {
  readonly location: string;
  readonly #parts: ArchiveTargetParts;
  readonly #queue = new SerialQueue();
  readonly #manifests = new Map<Digest, ManifestContent>();
  readonly #blobs = new Map<Digest, number>();
  readonly #plain = new Map<Digest, Descriptor>();
  /** Bytes of small blobs that are on their way. */
  #ahead = 0;
  /** Each may hold a file or a connection open. */
  readonly #readers = new Limiter(MOST_AHEAD);
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
    const reference = this.location + (isDigestName(name) ? '@' : ':') + name;
    throw new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }

  async fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return this.#old(descriptor).fetchBlob(descriptor, options);
  }

  readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#old(descriptor).readBlob(descriptor, options);
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return this.#manifests.has(digest) || ((await this.#parts.existing?.hasManifest(digest)) ?? false);
  }

  hasBlob(descriptor: Descriptor): Promise<boolean> {
    const isHere = this.#blobs.get(descriptor.digest) === descriptor.size;
    return Promise.resolve(isHere || (this.#parts.existing?.hasBlob(descriptor) ?? false));
  }

  async putManifest(
    { descriptor, bytes }: ManifestContent,
    name: TagOrDigest,
    options: PutOptions = {},
  ): Promise<void> {
    const { digest, size } = descriptor;
    options.signal?.throwIfAborted();
    if (bytes.length !== size || !digestMatches(checkVerifiable(digest), bytes))
      throw damagedBlob(digest, 'other bytes');
    if (isDigestName(name) && name !== digest) throw damagedBlob(name, `the digest ${digest}`);
    if (options.ifMatch !== undefined) await this.#checkNames(name, options.ifMatch);
    this.#manifests.set(digest, { descriptor: minimalDescriptor(descriptor), bytes });
    if (isDigestName(name)) this.#plain.set(digest, minimalDescriptor(descriptor));
    else this.#entries = withTag(this.#entries, descriptor, name, this.#annotationsOf(name));
  }

  /**
   * Small blobs are read while others are written, so that the archive does not wait for each of them by itself. One that
   * cannot be read is told at once, not when its turn comes.
   */
  async putBlob(
    blob: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    { signal }: ContentOptions = {},
  ): Promise<void> {
    const { digest, size } = blob;
    const isHere = (): boolean => this.#blobs.has(digest) || this.#parts.existing?.hasBlob(blob) === true;
    const isEarly = size <= SMALL_BYTES && this.#ahead + size <= MOST_AHEAD_BYTES && !isHere();
    const early = isEarly ? this.#readAhead(blob, open) : undefined;
    const written = this.#queue.run(async () => {
      signal?.throwIfAborted();
      if (isHere()) return;
      const bytes = await early;
      const writer = await this.#open();
      if (bytes === undefined) await writer.add(blobName(digest), size, verified(blob, open(), damageError()));
      else await writer.addBytes(blobName(digest), bytes);
      this.#blobs.set(digest, size);
    });
    await Promise.all([written, early]);
  }

  #readAhead(blob: Descriptor, open: () => AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    this.#ahead += blob.size;
    const read = () => readWhole(blob, () => verified(blob, open(), damageError()));
    return this.#readers.run(read).finally(() => (this.#ahead -= blob.size));
  }

  /** Writes what belongs to the names of the archive, and puts it in its place. Without a change nothing is written. */
  async commit({ signal }: ContentOptions = {}): Promise<void> {
    if (this.#manifests.size === 0) return this.discard();
    const writer = await this.#open();
    try {
      await finishArchive(writer, {
        entries: this.#entries,
        plain: [...this.#plain.values()],
        manifests: this.#manifests,
        written: this.#blobs,
        existing: this.#parts.existing,
        signal,
      });
      await this.#parts.existing?.close();
      await writer.finish(this.#parts.lock);
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  async discard(): Promise<void> {
    await this.#writer?.discard();
    this.#writer = undefined;
  }

  async #open(): Promise<TarWriter> {
    if (this.#writer !== undefined) return this.#writer;
    const writer = await TarWriter.create(this.#parts.path);
    this.#writer = writer;
    await writer.addBytes(HEADER_FILE, Buffer.from(HEADER));
    return writer;
  }

  async #checkNames(name: TagOrDigest, expected: Digest | 'absent'): Promise<void> {
    const now = await ignoreNotFound(this.resolve(name));
    if ((now?.digest ?? 'absent') !== expected) throw conflictError(`${this.location}:${name}`, expected);
  }

  #annotationsOf(tag: string): Annotations {
    const name = this.#parts.imageName(tag);
    return name === undefined ? {} : { [AnnotationKey.imageName]: name };
  }

  /** What was written before can be read; what is being written cannot. */
  #old({ digest }: Descriptor): OciArchive {
    if (this.#parts.existing !== undefined) return this.#parts.existing;
    throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no blob ${digest} in ${this.location}`);
  }
}

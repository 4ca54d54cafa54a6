import { MlistError } from '../errors/errors.ts';
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
  TagStore,
} from './store.ts';
import { minimalDescriptor, type Descriptor } from '../oci/descriptor.ts';
import { digestMatches, isDigest, isVerifiable, type Digest } from '../oci/digest.ts';
import { isJsonObject } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { referrerOf, subjectDigestIn } from '../oci/children.ts';
import { conflictError, contentReference } from './store.ts';
import { StagedMemoryBlob, unlimitedMemory, type MemoryAccount, type MemoryBytes } from './memory-bytes.ts';
import { contentMismatch, readWhole, unsupportedAlgorithm, type BlobIdentity } from './verify.ts';

/** Bytes that are counted for each blob, manifest and tag in addition to its content. */
const ENTRY_BYTES = 512;

/** A content store in memory, for tests, dry runs, and the embedded registry without a folder. */
export class MemoryStore implements ContentWriter, TagStore, ReferrerLister, Mounter {
  readonly location: string;
  /** The manifests, keyed by digest. Each has the media type of its first PUT. */
  readonly #manifests = new Map<Digest, ManifestContent>();
  readonly #blobs = new Map<Digest, MemoryBytes>();
  /**
   * The descriptors, keyed by tag. Each has the media type of the PUT of the tag, because a manifest that does not
   * contain its media type may be put with different media types.
   */
  readonly #tags = new Map<string, Descriptor>();

  readonly #account: MemoryAccount;
  #isCleared = false;

  /** @param account - counts the bytes that the store holds. Default: they are not counted */
  constructor(location = 'memory', account = unlimitedMemory) {
    this.location = location;
    this.#account = account;
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return (await this.fetchManifest(name, options)).descriptor;
  }

  fetchManifest(name: TagOrDigest, { expected, signal }: FetchOptions = {}): Promise<ManifestContent> {
    return attempt(signal, () => {
      const content = this.#contentAt(name);
      const reference = contentReference(this.location, name);
      if (content === undefined) throw notFound(reference);
      const { descriptor, bytes } = content;
      if (expected !== undefined && (expected.digest !== descriptor.digest || expected.size !== descriptor.size)) {
        throw contentMismatch(
          `${reference} has the digest ${descriptor.digest} and ${descriptor.size} bytes, not ${expected.digest} and ${expected.size}`,
        );
      }
      return { descriptor: { ...descriptor, mediaType: expected?.mediaType ?? descriptor.mediaType }, bytes };
    });
  }

  fetchBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): Promise<Uint8Array> {
    return readWhole(descriptor, () => this.readBlob(descriptor, { signal }));
  }

  async *readBlob(descriptor: BlobIdentity, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    yield* readShared(await attempt(signal, () => this.#blob(descriptor).share()));
  }

  serveBlob(blob: BlobIdentity): AsyncIterable<Uint8Array> {
    return this.readBlob(blob);
  }

  /** Streams the bytes of a blob from `start` to `end` (exclusive). */
  async *readBlobPart(digest: Digest, start: number, end: number): AsyncGenerator<Uint8Array> {
    yield* readShared(await attempt(undefined, () => this.#stored(digest).share()), start, end);
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.missingManifests([digest])).length === 0;
  }

  /** Returns the given digests for which the store has no manifest. */
  missingManifests(digests: readonly Digest[]): Promise<readonly Digest[]> {
    return attempt(undefined, () => digests.filter((digest) => !this.#manifests.has(digest)));
  }

  /** Returns the descriptors of the given manifests that the store has, keyed by digest. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    return attempt(undefined, () => {
      const descriptors = digests.flatMap((digest) => this.#manifests.get(digest)?.descriptor ?? []);
      return new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor]));
    });
  }

  hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return attempt(undefined, () => this.#blobs.get(digest)?.size === size);
  }

  /**
   * Returns the size of a blob in bytes.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist
   */
  blobSize(digest: Digest): Promise<number> {
    return attempt(undefined, () => this.#stored(digest).size);
  }

  /**
   * Returns the size of a blob, like `blobSize`. In a layout, this method also protects the blob from garbage
   * collection; a store in memory has no garbage collection.
   */
  holdBlob(digest: Digest): Promise<number> {
    return this.blobSize(digest);
  }

  putManifest(
    { descriptor, bytes }: ManifestContent,
    name: TagOrDigest,
    { ifMatch, signal }: PutOptions = {},
  ): Promise<void> {
    return attempt(signal, () => {
      const { digest } = descriptor;
      if (isDigest(name) && name !== digest)
        throw contentMismatch(`the manifest has the digest ${digest}, not ${name}`);
      verify(descriptor, bytes);
      if (ifMatch !== undefined && (this.#contentAt(name)?.descriptor.digest ?? 'absent') !== ifMatch)
        throw conflictError(contentReference(this.location, name), ifMatch);
      if (this.#isCleared) return;
      const minimal = minimalDescriptor(descriptor);
      const isNewTag = !isDigest(name) && !this.#tags.has(name);
      const isNew = !this.#manifests.has(digest);
      this.#account.reserve((isNew ? bytes.length + ENTRY_BYTES : 0) + (isNewTag ? ENTRY_BYTES : 0));
      if (isNew) this.#manifests.set(digest, { descriptor: minimal, bytes: bytes.slice() });
      if (!isDigest(name)) this.#tags.set(name, minimal);
    });
  }

  async putBlob(
    descriptor: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    { signal }: ContentOptions = {},
  ): Promise<void> {
    const staged = this.#stage(false);
    try {
      await staged.append(open(), { signal, expected: descriptor });
      if (staged.size !== descriptor.size) {
        throw contentMismatch(`${descriptor.digest} has ${descriptor.size} bytes, but ${staged.size} were received`);
      }
      await staged.commit(descriptor.digest);
    } finally {
      await staged.discard();
    }
  }

  /**
   * Starts an upload of a blob whose digest is not known yet. The chunks that are appended must not change afterwards.
   */
  stageBlob(): Promise<StagedMemoryBlob> {
    return attempt(undefined, () => this.#stage(true));
  }

  canMountFrom(source: ContentReader): boolean {
    return source instanceof MemoryStore;
  }

  async mountBlob(
    descriptor: Descriptor,
    from: ContentReader,
    open: () => AsyncIterable<Uint8Array>,
    options: ContentOptions = {},
  ): Promise<'mounted' | 'uploaded'> {
    if (from instanceof MemoryStore && (await from.hasBlob(descriptor))) {
      if (!this.#blobs.has(descriptor.digest) && !this.#isCleared) {
        this.#account.reserve(ENTRY_BYTES);
        this.#blobs.set(descriptor.digest, from.#stored(descriptor.digest).share());
      }
      return 'mounted';
    }
    await this.putBlob(descriptor, open, options);
    return 'uploaded';
  }

  /**
   * Removes a blob.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist
   */
  deleteBlob(digest: Digest): Promise<void> {
    return attempt(undefined, () => {
      this.#stored(digest).release();
      this.#blobs.delete(digest);
      this.#account.release(ENTRY_BYTES);
    });
  }

  /**
   * Removes a manifest and all its tags, but not its children and blobs.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the manifest does not exist
   */
  deleteManifest(digest: Digest): Promise<void> {
    return attempt(undefined, () => {
      const content = this.#manifests.get(digest);
      if (content === undefined) throw notFound(`${this.location}@${digest}`);
      this.#manifests.delete(digest);
      this.#account.release(content.bytes.length + ENTRY_BYTES);
      for (const [tag, descriptor] of this.#tags) if (descriptor.digest === digest) this.#dropTag(tag);
    });
  }

  /** Removes all content. Content that is stored afterwards is discarded. */
  clear(): void {
    this.#isCleared = true;
    for (const bytes of this.#blobs.values()) bytes.release();
    for (const { bytes } of this.#manifests.values()) this.#account.release(bytes.length);
    this.#account.release((this.#blobs.size + this.#manifests.size + this.#tags.size) * ENTRY_BYTES);
    for (const content of [this.#blobs, this.#manifests, this.#tags]) content.clear();
  }

  async *tags({ signal }: ContentOptions = {}): AsyncGenerator<string> {
    yield* await attempt(signal, () => [...this.#tags.keys()]);
  }

  untag(tag: string, { signal }: ContentOptions = {}): Promise<void> {
    return attempt(signal, () => {
      if (!this.#dropTag(tag)) throw notFound(`${this.location}:${tag}`);
    });
  }

  referrers(digest: Digest, artifactType?: string, { signal }: ContentOptions = {}): Promise<readonly Descriptor[]> {
    return attempt(signal, () => {
      const all = [...this.#manifests.values()].flatMap((content) => asReferrer(content, digest));
      return artifactType === undefined ? all : all.filter((descriptor) => descriptor.artifactType === artifactType);
    });
  }

  #contentAt(name: TagOrDigest): ManifestContent | undefined {
    if (isDigest(name)) return this.#manifests.get(name);
    const descriptor = this.#tags.get(name);
    const content = descriptor && this.#manifests.get(descriptor.digest);
    return content && { ...content, descriptor };
  }

  #stage(ownsChunks: boolean): StagedMemoryBlob {
    return new StagedMemoryBlob(this.#account, (digest, bytes) => this.#store(digest, bytes), ownsChunks);
  }

  /** Stores a blob, and takes ownership of its bytes. */
  #store(digest: Digest, bytes: MemoryBytes): void {
    if (this.#blobs.has(digest) || this.#isCleared) bytes.release();
    else {
      this.#account.reserve(ENTRY_BYTES);
      this.#blobs.set(digest, bytes);
    }
  }

  #dropTag(tag: string): boolean {
    if (!this.#tags.delete(tag)) return false;
    this.#account.release(ENTRY_BYTES);
    return true;
  }

  #stored(digest: Digest): MemoryBytes {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) throw notFound(`the blob ${digest}`);
    return bytes;
  }

  #blob({ digest, size }: BlobIdentity): MemoryBytes {
    const bytes = this.#stored(digest);
    if (bytes.size !== size) throw contentMismatch(`${digest} has ${bytes.size} bytes, not ${size}`);
    return bytes;
  }
}

/** Reads shared bytes, and then releases them. Until then, they remain in memory, even if the blob is deleted. */
function* readShared(bytes: MemoryBytes, start?: number, end?: number): Generator<Uint8Array> {
  try {
    yield* bytes.read(start, end);
  } finally {
    bytes.release();
  }
}

/** Runs synchronous work. The promise rejects if the work throws, or if the signal is aborted. */
function attempt<T>(signal: AbortSignal | undefined, work: () => T): Promise<T> {
  return new Promise((resolve) => {
    signal?.throwIfAborted();
    resolve(work());
  });
}

function verify({ digest, size }: Pick<Descriptor, 'digest' | 'size'>, bytes: Uint8Array): void {
  if (!isVerifiable(digest)) throw unsupportedAlgorithm(digest);
  if (bytes.length !== size || !digestMatches(digest, bytes))
    throw contentMismatch(`the manifest does not match its digest ${digest} or its size ${size}`);
}

/**
 * Returns an array with the referrer descriptor of a manifest; an empty array if the manifest does not have this
 * subject.
 */
function asReferrer({ descriptor, bytes }: ManifestContent, subject: Digest): readonly Descriptor[] {
  const { value } = readJson(bytes);
  return isJsonObject(value) && subjectDigestIn(value) === subject ? [referrerOf(descriptor, value)] : [];
}

function notFound(what: string): MlistError {
  return new MlistError('ERR_MLIST_NOT_FOUND', `${what} does not exist`);
}

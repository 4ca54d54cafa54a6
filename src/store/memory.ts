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
import { readWhole, unsupportedAlgorithm } from './verify.ts';

/** A content store in memory, for tests and for the embedded registry without a folder. */
export class MemoryStore implements ContentWriter, TagStore, ReferrerLister, Mounter {
  readonly location: string;
  /** Each has the media type of the first PUT. */
  readonly #manifests = new Map<Digest, ManifestContent>();
  readonly #blobs = new Map<Digest, Uint8Array>();
  /** Each has the media type of the PUT of its tag: the same bytes may have several types if they do not state one. */
  readonly #tags = new Map<string, Descriptor>();

  constructor(location = 'memory') {
    this.location = location;
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return (await this.fetchManifest(name, options)).descriptor;
  }

  fetchManifest(name: TagOrDigest, { expected, signal }: FetchOptions = {}): Promise<ManifestContent> {
    return attempt(signal, () => {
      const content = this.#contentAt(name);
      if (content === undefined) throw notFound(contentReference(this.location, name));
      const { descriptor, bytes } = content;
      if (expected !== undefined && (expected.digest !== descriptor.digest || expected.size !== descriptor.size)) {
        throw mismatch(`${this.location} has ${descriptor.digest} at ${name}, not ${expected.digest}`);
      }
      return { descriptor: { ...descriptor, mediaType: expected?.mediaType ?? descriptor.mediaType }, bytes };
    });
  }

  fetchBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): Promise<Uint8Array> {
    return readWhole(descriptor, () => this.readBlob(descriptor, { signal }));
  }

  async *readBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    yield await attempt(signal, () => this.#blob(descriptor));
  }

  /** Streams the bytes of a blob from `start` to `end` (exclusive). */
  async *readBlobPart(digest: Digest, start: number, end: number): AsyncGenerator<Uint8Array> {
    yield await attempt(undefined, () => this.#stored(digest).subarray(start, end));
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.missingManifests([digest])).length === 0;
  }

  /** The digests of manifests that this store does not have. */
  missingManifests(digests: readonly Digest[]): Promise<readonly Digest[]> {
    return attempt(undefined, () => digests.filter((digest) => !this.#manifests.has(digest)));
  }

  /** The manifests that this store has, by digest. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    return attempt(undefined, () => {
      const descriptors = digests.flatMap((digest) => this.#manifests.get(digest)?.descriptor ?? []);
      return new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor]));
    });
  }

  hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return attempt(undefined, () => this.#blobs.get(digest)?.length === size);
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist */
  blobSize(digest: Digest): Promise<number> {
    return attempt(undefined, () => this.#stored(digest).length);
  }

  /** The same: content in memory is not collected. */
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
      if (isDigest(name) && name !== digest) throw mismatch(`the manifest to be stored is ${digest}, not ${name}`);
      verify(descriptor, bytes);
      if (ifMatch !== undefined && (this.#contentAt(name)?.descriptor.digest ?? 'absent') !== ifMatch)
        throw conflictError(contentReference(this.location, name), ifMatch);
      const minimal = minimalDescriptor(descriptor);
      if (!this.#manifests.has(digest)) this.#manifests.set(digest, { descriptor: minimal, bytes: bytes.slice() });
      if (!isDigest(name)) this.#tags.set(name, minimal);
    });
  }

  async putBlob(
    descriptor: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    { signal }: ContentOptions = {},
  ): Promise<void> {
    const staged = this.#stage();
    await staged.append(open(), { signal, limit: descriptor.size });
    if (staged.size !== descriptor.size) {
      throw mismatch(`${descriptor.digest} has ${descriptor.size} bytes, but ${staged.size} were received`);
    }
    await staged.commit(descriptor.digest);
  }

  /** Starts an upload of a blob whose digest is not known yet. */
  stageBlob(): Promise<StagedMemoryBlob> {
    return attempt(undefined, () => this.#stage());
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
      this.#blobs.set(descriptor.digest, from.#stored(descriptor.digest));
      return 'mounted';
    }
    await this.putBlob(descriptor, open, options);
    return 'uploaded';
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` if the blob does not exist */
  deleteBlob(digest: Digest): Promise<void> {
    return attempt(undefined, () => {
      if (!this.#blobs.delete(digest)) throw notFound(`the blob ${digest}`);
    });
  }

  /**
   * Removes a manifest and all its tags, but not its children and blobs.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the manifest does not exist
   */
  deleteManifest(digest: Digest): Promise<void> {
    return attempt(undefined, () => {
      if (!this.#manifests.delete(digest)) throw notFound(`${this.location}@${digest}`);
      for (const [tag, descriptor] of this.#tags) if (descriptor.digest === digest) this.#tags.delete(tag);
    });
  }

  async *tags({ signal }: ContentOptions = {}): AsyncGenerator<string> {
    yield* await attempt(signal, () => [...this.#tags.keys()]);
  }

  untag(tag: string, { signal }: ContentOptions = {}): Promise<void> {
    return attempt(signal, () => {
      if (!this.#tags.delete(tag)) throw notFound(`${this.location}:${tag}`);
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

  #stage(): StagedMemoryBlob {
    return new StagedMemoryBlob((digest, bytes) => this.#blobs.set(digest, bytes));
  }

  #stored(digest: Digest): Uint8Array {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) throw notFound(`the blob ${digest}`);
    return bytes;
  }

  #blob({ digest, size }: Descriptor): Uint8Array {
    const bytes = this.#stored(digest);
    if (bytes.length !== size) throw mismatch(`${digest} has ${bytes.length} bytes, not ${size}`);
    return bytes;
  }
}

/** A blob that is being uploaded. */
export class StagedMemoryBlob {
  readonly #store: (digest: Digest, bytes: Uint8Array) => void;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(store: (digest: Digest, bytes: Uint8Array) => void) {
    this.#store = store;
  }

  /** Number of bytes received so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends bytes. If the source fails, the bytes before the failure are kept. */
  async append(
    chunks: AsyncIterable<Uint8Array>,
    { signal, limit = Infinity }: ContentOptions & { readonly limit?: number | undefined } = {},
  ): Promise<void> {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      if (this.#size + chunk.length > limit) throw mismatch(`the content is longer than ${limit} bytes`);
      this.#chunks.push(chunk);
      this.#size += chunk.length;
    }
  }

  /** @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the bytes have another digest; nothing is stored then */
  commit(digest: Digest): Promise<void> {
    return attempt(undefined, () => {
      const bytes = Buffer.concat(this.#chunks);
      this.#chunks = [];
      verify({ digest, size: bytes.length }, bytes);
      this.#store(digest, bytes);
    });
  }

  discard(): Promise<void> {
    return attempt(undefined, () => {
      this.#chunks = [];
    });
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
  if (bytes.length !== size || !digestMatches(digest, bytes)) throw mismatch(`the content does not match ${digest}`);
}

/** The descriptor of the manifest as a referrer if it has this subject; otherwise an empty list. */
function asReferrer({ descriptor, bytes }: ManifestContent, subject: Digest): readonly Descriptor[] {
  const { value } = readJson(bytes);
  return isJsonObject(value) && subjectDigestIn(value) === subject ? [referrerOf(descriptor, value)] : [];
}

function notFound(what: string): MlistError {
  return new MlistError('ERR_MLIST_NOT_FOUND', `${what} does not exist`);
}

function mismatch(message: string): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message);
}

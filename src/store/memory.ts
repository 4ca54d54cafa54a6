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
import { isJsonObject, type Json } from '../json/json.ts';
import { MAX_DOCUMENT_BYTES, readJson } from '../json/parse.ts';
import { referrerOf } from '../oci/children.ts';
import { conflictError } from './store.ts';

/** Content in memory: for tests, and for a registry that keeps nothing. */
export class MemoryStore implements ContentWriter, TagStore, ReferrerLister, Mounter {
  readonly location: string;
  /** Each with the type under which it was put first. */
  readonly #manifests = new Map<Digest, ManifestContent>();
  readonly #blobs = new Map<Digest, Uint8Array>();
  /** Each with the type under which its tag was put: bytes that state none may have several. */
  readonly #tags = new Map<string, Descriptor>();

  constructor(location = 'memory') {
    this.location = location;
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return (await this.fetchManifest(name, options)).descriptor;
  }

  fetchManifest(name: TagOrDigest, { expected, signal }: FetchOptions = {}): Promise<ManifestContent> {
    return answer(signal, () => {
      const content = this.#contentAt(name);
      if (content === undefined) throw absent(this.location + (isDigest(name) ? '@' : ':') + name);
      const { descriptor, bytes } = content;
      if (expected !== undefined && (expected.digest !== descriptor.digest || expected.size !== descriptor.size)) {
        throw mismatch(`${this.location} has ${descriptor.digest} at ${name}, not ${expected.digest}`);
      }
      return { descriptor: { ...descriptor, mediaType: expected?.mediaType ?? descriptor.mediaType }, bytes };
    });
  }

  fetchBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): Promise<Uint8Array> {
    return answer(signal, () => {
      const bytes = this.#blob(descriptor);
      if (bytes.length <= MAX_DOCUMENT_BYTES) return bytes;
      throw new MlistError(
        'ERR_MLIST_DOCUMENT_INVALID',
        `${descriptor.digest} has ${bytes.length} bytes, more than the ${MAX_DOCUMENT_BYTES} that are read at once`,
      );
    });
  }

  async *readBlob(descriptor: Descriptor, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    yield await answer(signal, () => this.#blob(descriptor));
  }

  /** A part of a blob, from `start` up to, not including, `end`. */
  async *readBlobPart(digest: Digest, start: number, end: number): AsyncGenerator<Uint8Array> {
    yield await answer(undefined, () => this.#stored(digest).subarray(start, end));
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await this.missingManifests([digest])).length === 0;
  }

  /** Those of the manifests that are not here. */
  missingManifests(digests: readonly Digest[]): Promise<readonly Digest[]> {
    return answer(undefined, () => digests.filter((digest) => !this.#manifests.has(digest)));
  }

  /** Those of the manifests that are here. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    return answer(undefined, () => {
      const found = digests.flatMap((digest) => this.#manifests.get(digest)?.descriptor ?? []);
      return new Map(found.map((descriptor) => [descriptor.digest, descriptor]));
    });
  }

  hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return answer(undefined, () => this.#blobs.get(digest)?.length === size);
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such blob. */
  blobSize(digest: Digest): Promise<number> {
    return answer(undefined, () => this.#stored(digest).length);
  }

  putManifest(
    { descriptor, bytes }: ManifestContent,
    name: TagOrDigest,
    { ifMatch, signal }: PutOptions = {},
  ): Promise<void> {
    return answer(signal, () => {
      const { digest } = descriptor;
      if (isDigest(name) && name !== digest) throw mismatch(`the manifest to be stored is ${digest}, not ${name}`);
      verify(descriptor, bytes);
      if (ifMatch !== undefined && (this.#contentAt(name)?.descriptor.digest ?? 'absent') !== ifMatch)
        throw conflictError(`${this.location}:${name}`, ifMatch);
      const bare = minimalDescriptor(descriptor);
      if (!this.#manifests.has(digest)) this.#manifests.set(digest, { descriptor: bare, bytes: bytes.slice() });
      if (!isDigest(name)) this.#tags.set(name, bare);
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
      throw mismatch(`${descriptor.digest} has ${descriptor.size} bytes, but ${staged.size} came`);
    }
    await staged.commit(descriptor.digest);
  }

  /** Begins a blob whose digest is not known yet. */
  stageBlob(): Promise<StagedMemoryBlob> {
    return answer(undefined, () => this.#stage());
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

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such blob. */
  deleteBlob(digest: Digest): Promise<void> {
    return answer(undefined, () => {
      if (!this.#blobs.delete(digest)) throw absent(`the blob ${digest}`);
    });
  }

  /**
   * Removes a manifest and all its tags. What it points at stays.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such manifest.
   */
  deleteManifest(digest: Digest): Promise<void> {
    return answer(undefined, () => {
      if (!this.#manifests.delete(digest)) throw absent(`${this.location}@${digest}`);
      for (const [tag, named] of this.#tags) if (named.digest === digest) this.#tags.delete(tag);
    });
  }

  async *tags({ signal }: ContentOptions = {}): AsyncGenerator<string> {
    yield* await answer(signal, () => [...this.#tags.keys()]);
  }

  untag(tag: string, { signal }: ContentOptions = {}): Promise<void> {
    return answer(signal, () => {
      if (!this.#tags.delete(tag)) throw absent(`${this.location}:${tag}`);
    });
  }

  referrers(digest: Digest, artifactType?: string, { signal }: ContentOptions = {}): Promise<readonly Descriptor[]> {
    return answer(signal, () => {
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
    if (bytes === undefined) throw absent(`the blob ${digest}`);
    return bytes;
  }

  #blob({ digest, size }: Descriptor): Uint8Array {
    const bytes = this.#stored(digest);
    if (bytes.length !== size) throw mismatch(`${digest} has ${bytes.length} bytes, not ${size}`);
    return bytes;
  }
}

/** A blob that is still arriving. */
export class StagedMemoryBlob {
  readonly #store: (digest: Digest, bytes: Uint8Array) => void;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(store: (digest: Digest, bytes: Uint8Array) => void) {
    this.#store = store;
  }

  /** Bytes that have arrived so far. */
  get size(): number {
    return this.#size;
  }

  /** Takes bytes. Where the source fails, what came before stays. */
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

  /** @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` where the bytes are others: then nothing is stored. */
  commit(digest: Digest): Promise<void> {
    return answer(undefined, () => {
      const bytes = Buffer.concat(this.#chunks);
      this.#chunks = [];
      verify({ digest, size: bytes.length }, bytes);
      this.#store(digest, bytes);
    });
  }

  discard(): Promise<void> {
    return answer(undefined, () => {
      this.#chunks = [];
    });
  }
}

/** Memory answers at once, but as all stores do: by a promise, which rejects where the work throws. */
function answer<T>(signal: AbortSignal | undefined, work: () => T): Promise<T> {
  return new Promise((resolve) => {
    signal?.throwIfAborted();
    resolve(work());
  });
}

function verify({ digest, size }: Pick<Descriptor, 'digest' | 'size'>, bytes: Uint8Array): void {
  if (!isVerifiable(digest)) {
    throw new MlistError('ERR_MLIST_DIGEST_INVALID', `${digest} cannot be checked: its algorithm is not known here`);
  }
  if (bytes.length !== size || !digestMatches(digest, bytes)) throw mismatch(`the content is not that of ${digest}`);
}

/** The manifest as a referrer, if it has this subject. */
function asReferrer({ descriptor, bytes }: ManifestContent, subject: Digest): readonly Descriptor[] {
  const { value } = readJson(bytes);
  if (!isJsonObject(value) || member(value['subject'], 'digest') !== subject) return [];
  return [referrerOf(descriptor, value)];
}

function member(value: Json | undefined, name: string): Json | undefined {
  return isJsonObject(value) ? value[name] : undefined;
}

function absent(what: string): MlistError {
  return new MlistError('ERR_MLIST_NOT_FOUND', `${what} does not exist`);
}

function mismatch(message: string): MlistError {
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message);
}

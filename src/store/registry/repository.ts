import { errorCode, MlistError, withNextStep } from '../../errors/errors.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { MAX_DOCUMENT_BYTES, readJson } from '../../json/parse.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { pullFrom } from './auth/scope.ts';
import { Blobs } from './blobs/blobs.ts';
import type { SentBlobs } from './blobs/mount.ts';
import type { ConnectedRepository, Connection } from './connection.ts';
import { Manifests, type RegistryFetchOptions } from './manifests.ts';
import { ReferrersOf } from './referrers.ts';
import { deleteRepository } from './delete-repository.ts';
import { listTags } from './tags.ts';
import type {
  Connectable,
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
} from '../store.ts';

export interface RepositoryParts {
  readonly connection: Connection;
  /** The blobs that the command has sent to the registry. */
  readonly sentBlobs: SentBlobs;
  readonly domain: string;
  readonly path: string;
}

/** Reads and writes one repository of a registry (distribution-spec v1.1.1). */
export class Repository implements Connectable, ContentWriter, Mounter, TagStore, ReferrerLister {
  readonly domain: string;
  readonly path: string;
  readonly #parts: ConnectedRepository;
  readonly #manifests: Manifests;
  readonly #blobs: Blobs;
  readonly #referrers: ReferrersOf;

  constructor({ connection, sentBlobs, domain, path }: RepositoryParts) {
    this.domain = domain;
    this.path = path;
    this.#parts = { connection, location: this.location, path };
    this.#manifests = new Manifests(this.#parts);
    this.#blobs = new Blobs({ ...this.#parts, sentBlobs });
    const fetchManifest = (name: TagOrDigest, options: FetchOptions): Promise<ManifestContent> =>
      this.#manifests.get(name, options);
    this.#referrers = new ReferrersOf({ ...this.#parts, fetchManifest });
  }

  get location(): string {
    return `${this.domain}/${this.path}`;
  }

  /** Maximum number of retries of a request. */
  get retries(): number {
    return this.#parts.connection.retries;
  }

  connect(): void {
    this.#parts.connection.connect([pullFrom(this.path)]);
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    const descriptor = await this.#manifests.head(name, options);
    return descriptor ?? (await this.fetchManifest(name, options)).descriptor;
  }

  /**
   * Fetches a manifest. If `name` is the digest of `options.expected` and there is no such manifest, reads the blob
   * with this digest, because an entry of a list may refer to a blob.
   */
  async fetchManifest(name: TagOrDigest, options: RegistryFetchOptions = {}): Promise<ManifestContent> {
    try {
      return await this.#manifests.get(name, options);
    } catch (thrown) {
      const { expected, signal } = options;
      if (expected?.digest !== name || expected.size > MAX_DOCUMENT_BYTES) throw thrown;
      if (errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND') throw thrown;
      const bytes = await this.#blobs.fetch(expected, { signal }).catch(() => {
        signal?.throwIfAborted();
        throw thrown;
      });
      return { descriptor: minimalDescriptor(expected), bytes };
    }
  }

  /**
   * Records the tag of a reference that has both a tag and a digest. If the registry does not find the digest, the
   * manifest is read by this tag.
   */
  learn(digest: Digest, tag: string): void {
    this.#manifests.learn(digest, tag);
  }

  hasManifest(digest: Digest, options: ContentOptions = {}): Promise<boolean> {
    return this.#manifests.has(digest, options);
  }

  async putManifest(content: ManifestContent, name: TagOrDigest, options: PutOptions = {}): Promise<void> {
    try {
      await this.#manifests.put(content, name, options);
    } catch (thrown) {
      throw explainAttestation(thrown, content.bytes);
    }
  }

  /** Deletes a manifest and all its tags. */
  deleteManifest(digest: Digest, options: ContentOptions = {}): Promise<void> {
    return this.#manifests.delete(digest, options);
  }

  /** Deletes the repository with its content. Only mlist's own registry supports this. */
  delete(options: ContentOptions = {}): Promise<void> {
    return deleteRepository(this.#parts, options);
  }

  async *tags(options: ContentOptions = {}): AsyncGenerator<string> {
    for await (const tag of listTags(this.#parts, options)) {
      this.#manifests.markExisting(tag);
      yield tag;
    }
  }

  untag(tag: string, options: ContentOptions = {}): Promise<void> {
    return this.#manifests.delete(tag, options);
  }

  referrers(digest: Digest, artifactType?: string, options: ContentOptions = {}): Promise<readonly Descriptor[]> {
    return this.#referrers.list(digest, artifactType, options);
  }

  supportsReferrers(digest: Digest, options: ContentOptions = {}): Promise<boolean> {
    return this.#referrers.hasApi(digest, options);
  }

  hasBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<boolean> {
    return this.#blobs.has(descriptor, options);
  }

  statedSize(descriptor: Descriptor, options: ContentOptions = {}): Promise<number | 'unknown' | undefined> {
    return this.#blobs.size(descriptor, options);
  }

  fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return this.#blobs.fetch(descriptor, options);
  }

  readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#blobs.read(descriptor, options);
  }

  /** Reads a blob from the offset `start` without verifying it. The caller must verify the whole blob. */
  readUnverified(descriptor: Descriptor, start: number, options: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#blobs.readUnverified(descriptor, start, options);
  }

  putBlob(descriptor: Descriptor, open: () => AsyncIterable<Uint8Array>, options: ContentOptions = {}): Promise<void> {
    return this.#blobs.put(descriptor, open, options);
  }

  canMountFrom(source: ContentReader): boolean {
    return originOf(source)?.domain === this.domain;
  }

  mountBlob(
    descriptor: Descriptor,
    from: ContentReader,
    open: () => AsyncIterable<Uint8Array>,
    options: ContentOptions = {},
  ): Promise<'mounted' | 'uploaded'> {
    const origin = originOf(from);
    if (origin === undefined) return this.putBlob(descriptor, open, options).then(() => 'uploaded');
    return this.#blobs.mount(descriptor, origin.path, open, options);
  }
}

/**
 * Returns the repository that a store reads. If the store reads from mirrors, this is the repository on the registry
 * itself. Returns undefined for stores that do not read from a registry.
 */
function originOf(store: ContentReader & { readonly origin?: unknown }): Repository | undefined {
  if (store instanceof Repository) return store;
  return store.origin instanceof Repository ? store.origin : undefined;
}

/** Statuses that registries send if they refuse a manifest because of its type. */
const refusals: ReadonlySet<number | undefined> = new Set([400, 405, 415, 422]);

/** Adds a hint if the registry has refused an attestation. Returns any other error unchanged. */
function explainAttestation(thrown: unknown, bytes: Uint8Array): unknown {
  const isRefusal = thrown instanceof MlistError && refusals.has(thrown.facts.status) && thrown.hint === undefined;
  if (!isRefusal || !isAttestation(bytes)) return thrown;
  return withNextStep(thrown, {
    hint: 'The manifest is an attestation, which some registries refuse.',
    remedy: { kind: 'drop-attestations' },
  });
}

/** Whether all layers of a manifest are in-toto statements. */
function isAttestation(bytes: Uint8Array): boolean {
  const { value } = readJson(bytes);
  const layers = isJsonObject(value) ? value['layers'] : undefined;
  return Array.isArray(layers) && layers.length > 0 && layers.every(isStatement);
}

function isStatement(layer: Json): boolean {
  const mediaType = isJsonObject(layer) ? layer['mediaType'] : undefined;
  return typeof mediaType === 'string' && mediaType.startsWith('application/vnd.in-toto');
}

import { errorMessage, MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';
import { kindOf } from '../../oci/manifest.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import type { Repository as RemoteRepository } from '../../store/registry/repository.ts';
import type { ManifestContent, TagOrDigest } from '../../store/store.ts';
import { readWhole, type BlobIdentity } from '../../store/verify.ts';
import { RequestError } from '../request-error.ts';
import type { Repository } from '../storage.ts';
import { BlobDownload } from './blob-download.ts';
import type { ProxyCache } from './proxy-cache.ts';
import type { ProxyTarget } from './proxy-upstream.ts';
import { notWritable, UpstreamUnavailable } from './upstream-error.ts';

/** The time limit for an upstream to confirm a cached tag. */
const CONFIRM_MS = 5_000;

/** The time limit for an upstream to return all pages of tags or referrers. */
const LIST_MS = 60_000;

/** The maximum number of tags that are read from a repository of an upstream. They are held in memory. */
const MAX_TAGS = 200_000;

const MEDIA_TYPE = 'application/octet-stream';

/**
 * Serves a repository of an upstream to a single request. Content that is not in the cache is fetched, verified and
 * stored.
 */
export class CachedRepository implements Repository {
  readonly location: string;
  readonly isRemote = true;
  readonly #cache: ProxyCache;
  readonly #target: ProxyTarget;
  readonly #hops: number;
  readonly #onStale: () => void;

  /**
   * @param hops - the number of proxies that the request has passed. Only requests with the same number share a fetch:
   *   otherwise, a registry that is its own upstream would wait for itself
   * @param onStale - called if content may be out of date, because the upstream is not available
   */
  constructor(cache: ProxyCache, target: ProxyTarget, hops: number, onStale: () => void) {
    this.#cache = cache;
    this.#target = target;
    this.#hops = hops;
    this.#onStale = onStale;
    this.location = target.cacheName;
  }

  async resolve(name: TagOrDigest): Promise<Descriptor> {
    return (await this.fetchManifest(name)).descriptor;
  }

  async fetchManifest(name: TagOrDigest): Promise<ManifestContent> {
    const key = this.#key(name);
    return this.#cache.reads.run(key, () => (isDigest(name) ? this.#byDigest(name) : this.#byTag(name)));
  }

  async #byDigest(digest: Digest): Promise<ManifestContent> {
    const cached = await this.#cachedManifest(digest);
    return cached ?? (await this.#store(await this.#fetch(digest), digest));
  }

  /**
   * Reads a tag. A cached tag is served without a request to the upstream for `ttlMs`. After that, the registry
   * requests the digest of the tag from the upstream, to check whether the tag has moved.
   */
  async #byTag(tag: string): Promise<ManifestContent> {
    const { confirmed, ttlMs } = this.#cache;
    const key = `${this.#target.cacheName}:${tag}`;
    const cached = await this.#cachedManifest(tag);
    if (cached === undefined) {
      const content = await this.#fetch(tag);
      await this.#store(content, tag);
      confirmed.set(key, performance.now());
      return content;
    }
    if (performance.now() - (confirmed.get(key) ?? -Infinity) < ttlMs) return cached;
    return this.#orStale(cached, async () => {
      const current = await this.#confirm(tag, cached.descriptor.digest);
      confirmed.set(key, performance.now());
      return current ?? cached;
    });
  }

  /**
   * Fetches a manifest from the upstream.
   * @throws RequestError 502 if it is invalid, or if its bytes and the response header state different media types:
   *   clients could interpret it differently
   */
  async #fetch(name: TagOrDigest): Promise<ManifestContent> {
    const content = await this.#ask((remote) => remote.fetchManifest(name));
    const { mediaType } = content.descriptor;
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) return content;
    const { fault } = kindOf(readDocument(content.bytes), mediaType);
    if (fault === undefined) return content;
    const message = `upstream ${this.#target.upstream.host} sent an invalid manifest: ${fault}`;
    throw new RequestError(502, { code: 'MANIFEST_INVALID', message });
  }

  /**
   * Requests the digest of a cached tag from the upstream. If the upstream no longer has the tag, the tag is removed
   * from the cache, too.
   * @returns the new content; undefined if the tag has not moved
   */
  async #confirm(tag: string, known: Digest): Promise<ManifestContent | undefined> {
    try {
      const signal = AbortSignal.timeout(CONFIRM_MS);
      const { digest } = await this.#ask((remote) => remote.resolve(tag, { signal }));
      if (digest === known) return undefined;
      return await this.#store(await this.#byDigest(digest), tag);
    } catch (error) {
      if (error instanceof MlistError && error.code === 'ERR_MLIST_NOT_FOUND')
        await this.#cache.change(this.#target, (local) => ignoreNotFound(local.untag(tag)));
      throw error;
    }
  }

  /** Returns the result of work that uses the upstream, or the cached result if the upstream is not available. */
  async #orStale<T>(cached: T, work: () => Promise<T>): Promise<T> {
    try {
      if (!this.#cache.isPaused(this.#target)) return await work();
    } catch (error) {
      if (!(error instanceof UpstreamUnavailable)) throw error;
    }
    this.#onStale();
    return cached;
  }

  /** Stores a verified manifest in the cache. If that fails, the manifest is served nevertheless. */
  async #store(content: ManifestContent, name: TagOrDigest): Promise<ManifestContent> {
    this.#learnSizes(content);
    try {
      await this.#cache.change(this.#target, (local) => local.putManifest(content, name));
    } catch (error) {
      this.#cache.onWarning(`cannot cache ${this.location}: ${errorMessage(error)}`);
    }
    return content;
  }

  #learnSizes({ descriptor, bytes }: ManifestContent): void {
    try {
      const { blobs } = childrenIn(readDocument(bytes), descriptor.mediaType);
      for (const { digest, size } of blobs) this.#cache.sizes.set(this.#sizeKey(digest), size);
    } catch {
      // If the sizes are unknown, the registry requests the size of each blob from the upstream.
    }
  }

  async #cachedManifest(name: TagOrDigest): Promise<ManifestContent | undefined> {
    const local = await this.#cache.find(this.#target);
    return local && ignoreNotFound(local.fetchManifest(name));
  }

  /** Does not protect the blob from garbage collection, because it can be fetched again. */
  holdBlob(digest: Digest): Promise<number> {
    return this.blobSize(digest);
  }

  async blobSize(digest: Digest): Promise<number> {
    const local = await this.#cache.find(this.#target);
    const known =
      (local && (await ignoreNotFound(local.blobSize(digest)))) ??
      this.#cache.downloads.get(this.#key(digest))?.size ??
      this.#cache.sizes.get(this.#sizeKey(digest));
    if (known !== undefined) return this.#cache.checkSize(digest, known);
    const size = await this.#ask((remote) => remote.statedSize({ mediaType: MEDIA_TYPE, digest, size: 1 }));
    if (size === undefined) throw new MlistError('ERR_MLIST_NOT_FOUND', `${this.location} has no blob ${digest}`);
    if (size === 'unknown')
      throw this.#cache.failure(
        new MlistError('ERR_MLIST_REGISTRY', `the response does not contain the size of blob ${digest}`),
        this.#target,
      );
    this.#cache.sizes.set(this.#sizeKey(digest), size);
    return this.#cache.checkSize(digest, size);
  }

  async *readBlob({ digest, size }: Descriptor): AsyncGenerator<Uint8Array> {
    const local = await this.#localBlob(digest);
    if (local !== undefined) yield* local.readBlob({ mediaType: MEDIA_TYPE, digest, size });
    else yield* this.#download(digest, size).read();
  }

  async *serveBlob({ digest, size }: BlobIdentity): AsyncGenerator<Uint8Array> {
    const local = await this.#localBlob(digest);
    if (local !== undefined) yield* local.serveBlob({ digest, size });
    else yield* this.#download(digest, size).read();
  }

  /** Yields a part of a blob. If the blob is not cached, the whole blob is fetched and verified first. */
  async *readBlobPart(digest: Digest, start: number, end: number): AsyncGenerator<Uint8Array> {
    const local =
      (await this.#localBlob(digest)) ?? (await this.#download(digest, await this.blobSize(digest)).finished);
    yield* local.readBlobPart(digest, start, end);
  }

  fetchBlob(descriptor: Descriptor): Promise<Uint8Array> {
    return readWhole(descriptor, () => this.readBlob(descriptor));
  }

  /** Returns the local repository if it has the blob; otherwise, returns undefined. */
  async #localBlob(digest: Digest): Promise<Repository | undefined> {
    const repository = await this.#cache.find(this.#target);
    const size = repository && (await ignoreNotFound(repository.blobSize(digest)));
    if (repository === undefined || size === undefined) return undefined;
    this.#cache.blobs.touch(this.#target, { repository, digest, size });
    return repository;
  }

  /** Returns the running download of a blob, or starts one. The download continues if the client disconnects. */
  #download(digest: Digest, size: number): BlobDownload {
    const key = this.#key(digest);
    return getOrCreate(this.#cache.downloads, key, () => {
      const { remote, release } = this.#cache.sessions.acquire(this.#target, this.#hops);
      const chunks = remote.readBlob({ mediaType: MEDIA_TYPE, digest, size });
      const download = new BlobDownload(digest, size, this.#verified(chunks, digest), () =>
        this.#cache.open(this.#target),
      );
      void download.finished
        .then(
          (repository) => this.#cache.blobs.touch(this.#target, { repository, digest, size }),
          (error: unknown) => this.#cache.onWarning(`cannot cache ${this.location}@${digest}: ${errorMessage(error)}`),
        )
        .finally(() => {
          release();
          this.#cache.downloads.delete(key);
        });
      return download;
    });
  }

  /**
   * Passes the chunks on, and converts errors of the upstream. After an error, the recorded size of the blob is
   * deleted, because it may come from a manifest that states a wrong size.
   */
  async *#verified(chunks: AsyncIterable<Uint8Array>, digest: Digest): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks;
    } catch (error) {
      this.#cache.sizes.delete(this.#sizeKey(digest));
      throw this.#cache.failure(error, this.#target);
    }
  }

  async *tags(): AsyncGenerator<string> {
    const local = await this.#cache.find(this.#target);
    const stored = local && (await namesOf(local.tags()));
    const read = () =>
      this.#cache.tagLists.run(this.#key('tags'), () =>
        this.#ask((remote) => namesOf(remote.tags({ signal: AbortSignal.timeout(LIST_MS) }))),
      );
    yield* stored === undefined ? await read() : await this.#orStale(stored, read);
  }

  async referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    const local = await this.#cache.find(this.#target);
    const stored = (await local?.referrers(digest, artifactType)) ?? [];
    const signal = AbortSignal.timeout(LIST_MS);
    return this.#orStale(stored, () =>
      this.#cache.referrerLists.run(this.#key(`${digest} ${artifactType ?? ''}`), () =>
        this.#ask((remote) => remote.referrers(digest, artifactType, { signal })),
      ),
    );
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await ignoreNotFound(this.fetchManifest(digest))) !== undefined;
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return (await ignoreNotFound(this.blobSize(digest))) === size;
  }

  async storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    return (await (await this.#cache.find(this.#target))?.storedManifests(digests)) ?? new Map<Digest, Descriptor>();
  }

  canMountFrom(): boolean {
    return false;
  }

  putManifest = this.#refuse;
  putBlob = this.#refuse;
  mountBlob = this.#refuse;
  stageBlob = this.#refuse;
  untag = this.#refuse;
  deleteBlob = this.#refuse;
  deleteManifest = this.#refuse;

  #refuse(): Promise<never> {
    return Promise.reject(notWritable(this.#target));
  }

  #ask<T>(work: (remote: RemoteRepository) => Promise<T>): Promise<T> {
    return this.#cache.ask(this.#target, this.#hops, work);
  }

  /**
   * Returns the key for the size of a blob. It contains the repository, because a wrong size in a manifest must not
   * affect other repositories.
   */
  #sizeKey(digest: Digest): string {
    return `${this.#target.cacheName}@${digest}`;
  }

  #key(name: string): string {
    return `${this.#target.cacheName} ${name} ${this.#hops}`;
  }
}

async function namesOf(names: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const name of names) {
    if (all.length >= MAX_TAGS)
      throw new RequestError(502, {
        code: 'UNAVAILABLE',
        message: `too many tags: the repository has more than ${MAX_TAGS} tags`,
      });
    all.push(name);
  }
  return all;
}

import { SingleFlight } from '../../async/single-flight.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestContent } from '../../store/store.ts';
import type { Repository as RemoteRepository } from '../../store/registry/repository.ts';
import { RecentMap } from '../../async/recent-map.ts';
import { RequestError } from '../request-error.ts';
import type { Service } from '../server-exchange.ts';
import type { Repository } from '../storage.ts';
import type { BlobDownload } from './blob-download.ts';
import { CachedBlobs } from './cached-blobs.ts';
import type { ProxyTarget, ProxyUpstream } from './proxy-upstream.ts';
import { UpstreamUnavailable, upstreamError } from './upstream-error.ts';
import type { UpstreamSessions } from './upstream-sessions.ts';

/** After a failure of an upstream, cached tags are served without a request to the upstream for this time. */
const PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 60_000;

export interface ProxyCacheParts {
  readonly service: Service;
  readonly sessions: UpstreamSessions;
  readonly ttlMs: number;
  readonly onWarning: (message: string) => void;
}

/** The state of the cache that all requests share. */
export class ProxyCache {
  readonly ttlMs: number;
  /** Reads of manifests in progress. */
  readonly reads = new SingleFlight<ManifestContent>();
  /** Lists of tags and of referrers that are being read from an upstream. */
  readonly tagLists = new SingleFlight<readonly string[]>();
  readonly referrerLists = new SingleFlight<readonly Descriptor[]>();
  /** Downloads in progress, by repository, digest and number of hops. */
  readonly downloads = new Map<string, BlobDownload>();
  /** The time at which the upstream last confirmed a tag, by `REPOSITORY:TAG`, on the clock of `performance.now()`. */
  readonly confirmed = new RecentMap<string, number>(10_000);
  /** Known sizes of blobs, by `REPOSITORY@DIGEST`. They save requests to the upstream. */
  readonly sizes = new RecentMap<string, number>(50_000);
  readonly blobs: CachedBlobs;
  readonly sessions: UpstreamSessions;
  readonly onWarning: (message: string) => void;
  readonly #service: Service;
  /** The time until which no request about cached tags is sent to an upstream. */
  readonly #pausedUntil = new Map<ProxyUpstream, number>();

  constructor({ service, sessions, ttlMs, onWarning }: ProxyCacheParts) {
    this.#service = service;
    this.sessions = sessions;
    this.ttlMs = ttlMs;
    this.onWarning = onWarning;
    this.blobs = new CachedBlobs(service.limits.memory);
  }

  /** The local repository with the cached content; undefined before anything is cached. */
  find({ cacheName }: ProxyTarget): Promise<Repository | undefined> {
    return this.#service.repositories.find(cacheName);
  }

  /** Finds or creates the local repository. */
  open({ cacheName }: ProxyTarget): Promise<Repository> {
    return this.#service.repositories.open(cacheName);
  }

  /**
   * Checks the size of a blob, and returns it. The upstream may state any size.
   * @throws RequestError 507 if the size exceeds the limits of this registry
   */
  checkSize(digest: Digest, size: number): number {
    const { uploadBytes } = this.#service.limits;
    if (size <= Math.min(uploadBytes, Number.MAX_SAFE_INTEGER)) return size;
    const message = `the blob has ${size} bytes, which exceeds the memory or upload limit of this registry`;
    throw new RequestError(507, { code: 'UNAVAILABLE', message, detail: digest });
  }

  /** Changes tags of the local repository. Runs alone, after all earlier changes. */
  change<T>(target: ProxyTarget, work: (local: Repository) => Promise<T>): Promise<T> {
    return this.#service.changes.exclusive(target.cacheName, async () => work(await this.open(target)));
  }

  /** Whether an upstream has failed recently. Cached tags are then served without a request to it. */
  isPaused({ upstream }: ProxyTarget): boolean {
    return (this.#pausedUntil.get(upstream) ?? 0) > performance.now();
  }

  /**
   * Runs work with the repository at the upstream, and returns its result.
   * @throws UpstreamUnavailable, or another error for the client
   */
  async ask<T>(target: ProxyTarget, hops: number, work: (remote: RemoteRepository) => Promise<T>): Promise<T> {
    try {
      const result = await this.sessions.use(target, hops, work);
      this.#pausedUntil.delete(target.upstream);
      return result;
    } catch (error) {
      throw this.failure(error, target);
    }
  }

  /** Records that an upstream has failed. @returns the error for the client */
  failure(thrown: unknown, target: ProxyTarget): unknown {
    const { upstream } = target;
    const error = upstreamError(thrown, upstream.host);
    if (!(error instanceof UpstreamUnavailable)) return error;
    if (!this.isPaused(target)) this.onWarning(`${upstream.host} is not available: ${error.message}`);
    const pause = Math.min(error.retryAfterMs ?? PAUSE_MS, MAX_PAUSE_MS);
    this.#pausedUntil.set(upstream, performance.now() + pause);
    return error;
  }

  /** Ends all downloads. */
  async close(): Promise<void> {
    await this.sessions.close();
    await Promise.allSettled([...this.downloads.values()].map(({ finished }) => finished));
  }
}

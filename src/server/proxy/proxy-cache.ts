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

/**
 * After a failure of an upstream, cached content is served without a request to the upstream for this long. If the
 * upstream sends `Retry-After`, its value is used instead, up to MAX_PAUSE_MS.
 */
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
  /** Manifest reads in progress. */
  readonly reads = new SingleFlight<ManifestContent>();
  /** Tag lists that are being read from an upstream. */
  readonly tagLists = new SingleFlight<readonly string[]>();
  /** Referrer lists that are being read from an upstream. */
  readonly referrerLists = new SingleFlight<readonly Descriptor[]>();
  /** Downloads in progress, keyed by repository, digest and number of hops. */
  readonly downloads = new Map<string, BlobDownload>();
  /** The value of `performance.now()` when the upstream last confirmed a tag, keyed by `REPOSITORY:TAG`. */
  readonly confirmed = new RecentMap<string, number>(10_000);
  /** Known blob sizes, keyed by `REPOSITORY@DIGEST`. They save requests to the upstream. */
  readonly sizes = new RecentMap<string, number>(50_000);
  readonly blobs: CachedBlobs;
  readonly sessions: UpstreamSessions;
  readonly onWarning: (message: string) => void;
  readonly #service: Service;
  /** The time until which cached content is served without a request to the upstream, keyed by upstream. */
  readonly #pausedUntil = new Map<ProxyUpstream, number>();

  constructor({ service, sessions, ttlMs, onWarning }: ProxyCacheParts) {
    this.#service = service;
    this.sessions = sessions;
    this.ttlMs = ttlMs;
    this.onWarning = onWarning;
    this.blobs = new CachedBlobs(service.limits.memory);
  }

  /** Returns the local repository with the cached content, or undefined if nothing is cached yet. */
  find({ cacheName }: ProxyTarget): Promise<Repository | undefined> {
    return this.#service.repositories.find(cacheName);
  }

  /** Returns the local repository. Creates it if it does not exist. */
  open({ cacheName }: ProxyTarget): Promise<Repository> {
    return this.#service.repositories.open(cacheName);
  }

  /**
   * Returns `size` if a blob of this size is within the limits of this registry. An upstream may state any size.
   * @throws RequestError 507 if the size exceeds the limits
   */
  checkSize(digest: Digest, size: number): number {
    const { uploadBytes } = this.#service.limits;
    if (size <= Math.min(uploadBytes, Number.MAX_SAFE_INTEGER)) return size;
    const message = `the blob has ${size} bytes, which exceeds the memory or upload limit of this registry`;
    throw new RequestError(507, { code: 'UNAVAILABLE', message, detail: digest });
  }

  /** Runs a change to the local repository while no other change to it runs. */
  change<T>(target: ProxyTarget, work: (local: Repository) => Promise<T>): Promise<T> {
    return this.#service.changes.exclusive(target.cacheName, async () => work(await this.open(target)));
  }

  /** Whether an upstream has failed recently. Cached content is then served without a request to the upstream. */
  isPaused({ upstream }: ProxyTarget): boolean {
    return (this.#pausedUntil.get(upstream) ?? 0) > performance.now();
  }

  /**
   * Runs work with the repository at the upstream, and returns its result.
   * @throws UpstreamUnavailable if the upstream is not available. Other errors are converted by `upstreamError`
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

  /**
   * Converts an error of a request to an upstream. If the upstream is not available, cached content is served without a
   * request to the upstream for some time.
   * @returns the error for the client
   */
  failure(thrown: unknown, target: ProxyTarget): unknown {
    const { upstream } = target;
    const error = upstreamError(thrown, upstream.host);
    if (!(error instanceof UpstreamUnavailable)) return error;
    if (!this.isPaused(target)) this.onWarning(error.message);
    const pause = Math.min(error.retryAfterMs ?? PAUSE_MS, MAX_PAUSE_MS);
    this.#pausedUntil.set(upstream, performance.now() + pause);
    return error;
  }

  /** Aborts all downloads, and waits until they have ended. */
  async close(): Promise<void> {
    await this.sessions.close();
    await Promise.allSettled([...this.downloads.values()].map(({ finished }) => finished));
  }
}

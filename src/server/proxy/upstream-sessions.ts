import { env } from 'node:process';
import type { RegistrySession } from '../../store/registry/session.ts';
import type { RegistryOptions } from '../../store/registry/registry-options.ts';
import type { Repository as RemoteRepository } from '../../store/registry/repository.ts';
import { version } from '../../version.ts';
import type { ProxyTarget } from './proxy-upstream.ts';

/** Options for the requests to upstreams. */
export type UpstreamOptions = Pick<
  RegistryOptions,
  | 'authHosts'
  | 'caFile'
  | 'certificateFolders'
  | 'concurrency'
  | 'credentials'
  | 'http1'
  | 'insecure'
  | 'onRequest'
  | 'plainHttp'
  | 'retries'
  | 'timeoutMs'
> & {
  /** Environment variables for HTTP proxies and certificates. Default: the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
};

/** A session is replaced after this time, because it remembers failed logins. */
const SESSION_MS = 10 * 60_000;
/** A session is also replaced after this number of repositories, because it stores a token for each. */
const SESSION_REPOSITORIES = 200;

/** The maximum number of proxies that a request may pass. */
export const MAX_HOPS = 3;

export interface AcquiredRepository {
  readonly remote: RemoteRepository;
  /** Releases the session. Must be called exactly once. */
  readonly release: () => void;
}

/** A session and the number of its users. A retired session is closed when its last user has released it. */
interface Lease {
  readonly session: RegistrySession;
  readonly started: number;
  readonly repositories: Set<string>;
  users: number;
  isRetired: boolean;
}

/**
 * The sessions for requests to upstreams. The `User-Agent` of each session states how many proxies the request has
 * passed, such as `pull-through/1`, so that a registry can detect that it is its own upstream.
 */
export class UpstreamSessions {
  readonly #options: UpstreamOptions;
  readonly #Session: typeof RegistrySession;
  readonly #onWarning: (message: string) => void;
  readonly #current = new Map<number, Lease>();
  readonly #open = new Set<Lease>();

  private constructor(options: UpstreamOptions, Session: typeof RegistrySession, onWarning: (message: string) => void) {
    this.#options = options;
    this.#Session = Session;
    this.#onWarning = onWarning;
  }

  /** Creates the sessions. Loads the registry client, which a registry without a proxy does not need. */
  static async load(options: UpstreamOptions, onWarning: (message: string) => void): Promise<UpstreamSessions> {
    const { RegistrySession: Session } = await import('../../store/registry/session.ts');
    return new UpstreamSessions(options, Session, onWarning);
  }

  /** Runs work with a repository of an upstream. */
  async use<T>(target: ProxyTarget, hops: number, work: (remote: RemoteRepository) => Promise<T>): Promise<T> {
    const { remote, release } = this.acquire(target, hops);
    try {
      return await work(remote);
    } finally {
      release();
    }
  }

  /**
   * Returns a repository of an upstream. The caller must call `release` when it no longer uses the repository.
   * @param hops - the number of proxies that the request has passed before this one
   */
  acquire({ reference }: ProxyTarget, hops: number): AcquiredRepository {
    const lease = this.#leaseFor(hops);
    lease.repositories.add(`${reference.domain}/${reference.path}`);
    lease.users += 1;
    const release = () => {
      lease.users -= 1;
      if (lease.isRetired) void this.#closeUnused(lease);
    };
    const remote = lease.session.repository(reference);
    // The next use must get a new object, because this one remembers content that it has read, even if the content is
    // deleted later.
    lease.session.forget(reference);
    return { remote, release };
  }

  /** Aborts all requests, and closes all sessions. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map(({ session }) => session.close()));
  }

  #leaseFor(hops: number): Lease {
    const current = this.#current.get(hops);
    if (current !== undefined && !isUsedUp(current)) return current;
    if (current !== undefined) {
      current.isRetired = true;
      void this.#closeUnused(current);
    }
    const { retries = 1, env: variables = env, ...options } = this.#options;
    const userAgent = `mlist/${version} pull-through/${hops + 1}`;
    const session = new this.#Session({ ...options, retries, env: variables, userAgent, onWarning: this.#onWarning });
    const lease = { session, started: performance.now(), repositories: new Set<string>(), users: 0, isRetired: false };
    this.#current.set(hops, lease);
    this.#open.add(lease);
    return lease;
  }

  async #closeUnused(lease: Lease): Promise<void> {
    if (lease.users === 0 && this.#open.delete(lease)) await lease.session.close();
  }
}

function isUsedUp({ started, repositories }: Lease): boolean {
  return performance.now() - started > SESSION_MS || repositories.size >= SESSION_REPOSITORIES;
}

/** Returns the number of proxies that a request has passed, from its `User-Agent` header. */
export function hopsOf(userAgent: string | undefined): number {
  return Number(/\bpull-through\/(\d)/.exec(userAgent ?? '')?.[1] ?? 0);
}

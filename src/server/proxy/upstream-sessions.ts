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
  /** Environment variables for HTTP proxies and certificates. Default: those of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
};

/** A session keeps failed logins and tokens, so it is replaced after this time, and after this number of repositories. */
const SESSION_MS = 10 * 60_000;
const SESSION_REPOSITORIES = 200;

/** The longest chain of proxies that a request may pass. */
export const MAX_HOPS = 3;

export interface AcquiredRepository {
  readonly remote: RemoteRepository;
  /** Must be called once. */
  readonly release: () => void;
}

/** A session, with the requests that use it. A retired one is closed when its last user has released it. */
interface Lease {
  readonly session: RegistrySession;
  readonly started: number;
  readonly repositories: Set<string>;
  users: number;
  isRetired: boolean;
}

/**
 * The sessions for requests to upstreams. Each states in its `User-Agent` how many proxies a request has passed, so that a
 * registry that is its own upstream is detected: `pull-through/1`.
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

  /** Loads the registry client, which a registry without a proxy does not need. */
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
   * A repository of an upstream, for use until it is released.
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
    // Each use gets a new object: a used one would read content again that it has seen before and that is missing now.
    lease.session.forget(reference);
    return { remote, release };
  }

  /** Aborts all requests. */
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

/** The number of proxies that a request has passed. */
export function hopsOf(userAgent: string | undefined): number {
  return Number(/\bpull-through\/(\d)/.exec(userAgent ?? '')?.[1] ?? 0);
}

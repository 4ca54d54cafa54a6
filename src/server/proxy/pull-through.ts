import { MlistError } from '../../errors/errors.ts';
import { RequestError } from '../request-error.ts';
import type { ServerExchange, Service } from '../server-exchange.ts';
import { allows, type Action } from '../auth/rights.ts';
import { CachedRepository } from './cached-repository.ts';
import { ProxyCache } from './proxy-cache.ts';
import { cachePrefix, parseUpstream, targetAt, type ProxyTarget, type ProxyUpstream } from './proxy-upstream.ts';
import { needsLogin, notWritable } from './upstream-error.ts';
import { hopsOf, MAX_HOPS, UpstreamSessions, type UpstreamOptions } from './upstream-sessions.ts';

/** Options of the pull-through cache. */
export interface ProxyOptions {
  /**
   * The registries to cache. `HOST`, such as `docker.io`; or `HOST=URL` to read the content of HOST from another
   * address. Repositories of HOST are served as `HOST/REPOSITORY`, with the query `?ns=HOST`, and if there is only one
   * upstream, also as `REPOSITORY`.
   */
  readonly upstreams: readonly string[];
  /** Milliseconds for which a tag is served without asking the upstream again. Default 60 000. */
  readonly ttlMs?: number | undefined;
  /**
   * Options for the requests to upstreams. With credentials, all clients can read what the credentials permit. Default:
   * anonymous.
   */
  readonly client?: UpstreamOptions | undefined;
  /** Receives warnings, such as that an upstream is not available. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Serves the repositories of upstreams beside the local ones. */
export class PullThrough {
  readonly #service: Service;
  readonly #cache: ProxyCache;
  readonly #upstreams: readonly ProxyUpstream[];

  private constructor(service: Service, cache: ProxyCache, upstreams: readonly ProxyUpstream[]) {
    this.#service = service;
    this.#cache = cache;
    this.#upstreams = upstreams;
  }

  /** @throws MlistError `ERR_MLIST_USAGE` if an upstream is invalid, or named twice */
  static async start(service: Service, options: ProxyOptions): Promise<PullThrough> {
    const upstreams = options.upstreams.map(parseUpstream);
    if (upstreams.length === 0) throw new MlistError('ERR_MLIST_USAGE', 'the proxy needs at least one upstream');
    const names = upstreams.map(cachePrefix);
    const repeated = upstreams.find((upstream, at) => names.indexOf(cachePrefix(upstream)) < at);
    if (repeated !== undefined)
      throw new MlistError('ERR_MLIST_USAGE', `the proxy has several upstreams for ${repeated.host}`);
    const plainHttp = upstreams.flatMap((each) => (each.plainHttp ? each.domain : []));
    const client = { ...options.client, plainHttp: [...(options.client?.plainHttp ?? []), ...plainHttp] };
    const { ttlMs = 60_000, onWarning = () => undefined } = options;
    const sessions = await UpstreamSessions.load(client, onWarning);
    return new PullThrough(service, new ProxyCache({ service, sessions, ttlMs, onWarning }), upstreams);
  }

  /**
   * Returns the service with the repositories for one request: the local ones and those of upstreams. A request that
   * lists all repositories gets only the stored ones, and no request is sent to an upstream.
   */
  serviceFor(exchange: Omit<ServerExchange, 'service'>): Service {
    if (exchange.name === '') return this.#service;
    const { request, response, query } = exchange;
    const { repositories } = this.#service;
    const hops = hopsOf(request.headers['user-agent']);
    const namespace = query.get('ns');
    const onStale = () => void response.setHeader('warning', '110 - "Response is Stale"');
    const cached = (target: ProxyTarget) => {
      if (hops < MAX_HOPS) return new CachedRepository(this.#cache, target, hops, onStale);
      const message = `the request has passed ${hops} proxies: is the registry its own upstream?`;
      throw new RequestError(508, { code: 'UNSUPPORTED', message });
    };
    return {
      ...this.#service,
      repositories: {
        find: async (name) => {
          const named = this.#named(name, namespace);
          const local = named === undefined ? await repositories.find(name) : undefined;
          // `?ns=` may name a registry that is not an upstream. It must not be answered with content of this
          // upstream.
          const unnamed = namespace === null ? this.#unnamed(name) : undefined;
          const target = local === undefined ? (named ?? unnamed) : undefined;
          return target === undefined || !this.#canRead(exchange, name, target) ? local : cached(target);
        },
        open: async (name) => {
          const named = this.#named(name, namespace);
          if (named !== undefined) throw notWritable(named);
          const unnamed = this.#unnamed(name);
          if (unnamed !== undefined) await this.#checkNew(exchange, name, unnamed);
          return repositories.open(name);
        },
        all: (includes) => repositories.all(includes),
        names: () => repositories.names(),
        remove: async (name) => {
          const named = namespace === null ? undefined : this.#named(name, namespace);
          // A request with `?ns=` means the upstream's repository, not the local one of the same name.
          if (named !== undefined && named.cacheName !== name) throw notWritable(named);
          return repositories.remove(name);
        },
        close: () => repositories.close(),
      },
    };
  }

  /**
   * The repository name for which a client needs rights. For a read with `?ns=`, it is the name in the cache. Writes
   * ignore `?ns=`, so the query does not change which rights they need.
   */
  storedName(name: string, query: URLSearchParams, action: Action): string {
    const namespace = action === 'read' ? query.get('ns') : null;
    return this.#named(name, namespace)?.cacheName ?? name;
  }

  /** Ends all downloads. */
  close(): Promise<void> {
    return this.#cache.close();
  }

  /**
   * The upstream's repository that a request names explicitly, with `?ns=` or with the registry as the first part of
   * the name; otherwise undefined.
   */
  #named(name: string, namespace: string | null): ProxyTarget | undefined {
    const byQuery = this.#upstreams.find(({ host }) => host === namespace);
    if (byQuery !== undefined) return targetAt(byQuery, name);
    const upstream = this.#upstreams.find((each) => name.startsWith(cachePrefix(each)));
    return upstream && targetAt(upstream, name.slice(cachePrefix(upstream).length));
  }

  /**
   * The upstream's repository for a name without a registry, which docker sends to a mirror; undefined with several
   * upstreams.
   */
  #unnamed(name: string): ProxyTarget | undefined {
    const [only, ...others] = this.#upstreams;
    return only === undefined || others.length > 0 ? undefined : targetAt(only, name);
  }

  /**
   * Whether the caller may read a repository of an upstream. The caller needs the right for the name in the cache,
   * whichever name was requested.
   * @returns false for the source of a mount that the caller may not read
   * @throws RequestError 401 or 403 if the caller may not read the repository of the request
   */
  #canRead(exchange: Omit<ServerExchange, 'service'>, name: string, { cacheName }: ProxyTarget): boolean {
    const { request, caller } = exchange;
    if (allows(caller.rights, 'read', cacheName)) return true;
    if (name === exchange.name) this.#service.access.checkRight(request, caller, 'read', cacheName);
    return false;
  }

  /**
   * Checks that a push may create a local repository with the name of one at the upstream. Clients will then get the
   * local content.
   * @throws RequestError 405 if content of the upstream's repository was pulled before, or the caller has not logged in
   */
  async #checkNew({ caller }: Pick<ServerExchange, 'caller'>, name: string, target: ProxyTarget): Promise<void> {
    const { repositories } = this.#service;
    if ((await repositories.find(name)) !== undefined) return;
    if ((await repositories.find(target.cacheName)) !== undefined) throw notWritable(target);
    if (caller.user === undefined) throw needsLogin(name, target);
  }
}

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
   * The registries to cache: `HOST`, such as `docker.io`, or `HOST=URL` to read the content of HOST from another
   * address. A repository of HOST is served as `HOST/REPOSITORY` (with `_` instead of `:`), and as `REPOSITORY` with
   * the query `?ns=HOST`. If there is only one upstream, the query is optional.
   */
  readonly upstreams: readonly string[];
  /** The time for which a cached tag is served without a request to the upstream, in milliseconds. Default 60 000. */
  readonly ttlMs?: number | undefined;
  /**
   * Options for the requests to upstreams. If they include credentials, clients of the cache can read everything
   * that the credentials permit. Default: anonymous requests.
   */
  readonly client?: UpstreamOptions | undefined;
  /** Called with each warning, for example if an upstream is not available. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Serves the repositories of upstreams in addition to the local ones. */
export class PullThrough {
  readonly #service: Service;
  readonly #cache: ProxyCache;
  readonly #upstreams: readonly ProxyUpstream[];

  private constructor(service: Service, cache: ProxyCache, upstreams: readonly ProxyUpstream[]) {
    this.#service = service;
    this.#cache = cache;
    this.#upstreams = upstreams;
  }

  /** @throws MlistError `ERR_MLIST_USAGE` if there are no upstreams, or if one is invalid or given twice */
  static async start(service: Service, options: ProxyOptions): Promise<PullThrough> {
    const upstreams = options.upstreams.map(parseUpstream);
    if (upstreams.length === 0) throw new MlistError('ERR_MLIST_USAGE', 'the proxy requires at least one upstream');
    const names = upstreams.map(cachePrefix);
    const repeated = upstreams.find((upstream, at) => names.indexOf(cachePrefix(upstream)) < at);
    if (repeated !== undefined)
      throw new MlistError('ERR_MLIST_USAGE', `the proxy upstream ${repeated.host} is given more than once`);
    const plainHttp = upstreams.flatMap((each) => (each.plainHttp ? each.domain : []));
    const client = { ...options.client, plainHttp: [...(options.client?.plainHttp ?? []), ...plainHttp] };
    const { ttlMs = 60_000, onWarning = () => undefined } = options;
    const sessions = await UpstreamSessions.load(client, onWarning);
    return new PullThrough(service, new ProxyCache({ service, sessions, ttlMs, onWarning }), upstreams);
  }

  /**
   * Returns the service for one request, with the local repositories and the repositories of upstreams. Requests that
   * list all repositories get only local and cached ones, without a request to an upstream.
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
      const message = `the request has passed ${hops} proxies: the registry may be its own upstream`;
      throw new RequestError(508, { code: 'UNSUPPORTED', message });
    };
    return {
      ...this.#service,
      repositories: {
        find: async (name) => {
          const named = this.#named(name, namespace);
          const local = named === undefined ? await repositories.find(name) : undefined;
          // If `?ns=` names a registry that is not an upstream, the content of the only upstream must not be served
          // instead.
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
          // With `?ns=`, the name refers to the repository of the upstream, not to the local repository of the same
          // name.
          if (named !== undefined && named.cacheName !== name) throw notWritable(named);
          return repositories.remove(name);
        },
        close: () => repositories.close(),
      },
    };
  }

  /**
   * Returns the repository name for which the client needs rights. If the request specifies an upstream, this is the
   * name in the cache. Writes ignore `?ns=`, so that the query does not change which rights they need.
   */
  storedName(name: string, query: URLSearchParams, action: Action): string {
    const namespace = action === 'read' ? query.get('ns') : null;
    return this.#named(name, namespace)?.cacheName ?? name;
  }

  /** Aborts all downloads, and waits until they have ended. */
  close(): Promise<void> {
    return this.#cache.close();
  }

  /**
   * Returns the repository of the upstream that the request specifies, either with `?ns=` or as the first component of
   * the repository name. Returns undefined if the request specifies no upstream, or if the resulting name is invalid.
   */
  #named(name: string, namespace: string | null): ProxyTarget | undefined {
    const byQuery = this.#upstreams.find(({ host }) => host === namespace);
    if (byQuery !== undefined) return targetAt(byQuery, name);
    const upstream = this.#upstreams.find((each) => name.startsWith(cachePrefix(each)));
    return upstream && targetAt(upstream, name.slice(cachePrefix(upstream).length));
  }

  /**
   * Returns the repository of the only upstream for a name without a host, such as `library/nginx`: docker sends such
   * names to a mirror. Returns undefined if there is more than one upstream.
   */
  #unnamed(name: string): ProxyTarget | undefined {
    const [only, ...others] = this.#upstreams;
    return only === undefined || others.length > 0 ? undefined : targetAt(only, name);
  }

  /**
   * Whether the caller may read a repository of an upstream. The caller needs the right for the name that the
   * repository has in the cache, even if the request uses another name.
   * @returns false if the caller does not have the right, and the repository is the source of a mount
   * @throws RequestError 401 or 403 if the caller does not have the right, and the repository is the one in the path
   */
  #canRead(exchange: Omit<ServerExchange, 'service'>, name: string, { cacheName }: ProxyTarget): boolean {
    const { request, caller } = exchange;
    if (allows(caller.rights, 'read', cacheName)) return true;
    if (name === exchange.name) this.#service.access.checkRight(request, caller, 'read', cacheName);
    return false;
  }

  /**
   * Checks that a push may create a local repository that hides the repository of the same name at the upstream.
   * @throws RequestError 405 if content of the repository at the upstream is cached, or if the caller has not logged in
   */
  async #checkNew({ caller }: Pick<ServerExchange, 'caller'>, name: string, target: ProxyTarget): Promise<void> {
    const { repositories } = this.#service;
    if ((await repositories.find(name)) !== undefined) return;
    if ((await repositories.find(target.cacheName)) !== undefined) throw notWritable(target);
    if (caller.user === undefined) throw needsLogin(name, target);
  }
}

import { MlistError } from '../../errors/errors.ts';
import { isRepositoryName, parseReference, type Reference } from '../../oci/reference.ts';
import { parseMirrorAddress } from '../../store/registry/mirrors/mirror-endpoint.ts';

/** A registry whose content is cached. */
export interface ProxyUpstream {
  /** The host of the registry, as used in references. */
  readonly host: string;
  /** The host that requests are sent to: the registry itself, or another host with its content. */
  readonly domain: string;
  /** The path before the name of each repository at `domain`: empty, or with a trailing slash. */
  readonly prefix: string;
  /** Whether the address begins with `http://`. */
  readonly plainHttp: boolean;
}

/** A repository of an upstream. */
export interface ProxyTarget {
  readonly upstream: ProxyUpstream;
  /** The reference that the content is read from. */
  readonly reference: Reference;
  /** The name of the local repository that stores the content, such as `docker.io/library/nginx`. */
  readonly cacheName: string;
}

/**
 * Parses `HOST` or `HOST=URL`. A path in the URL precedes the name of each repository, as in
 * `https://harbor.example.com/hub`.
 * @throws MlistError `ERR_MLIST_USAGE` if the value is invalid. The message omits the URL, which may contain a password
 */
export function parseUpstream(text: string): ProxyUpstream {
  const [name = '', ...rest] = text.split('=');
  const host = hostOf(name);
  if (rest.length === 0) return { host, domain: host, prefix: '', plainHttp: false };
  const url = rest.join('=');
  const address = parseMirrorAddress(url.includes('://') ? url : `https://${url}`);
  if (typeof address === 'string') throw invalid(`${host}: ${address}`);
  const path = address.path.replace(/^\/(?:v2(?:\/|$))?/, '');
  if (path !== '' && !isRepositoryName(path))
    throw invalid(`${host}: the path of the URL is not a valid repository name`);
  const prefix = path === '' ? '' : `${path}/`;
  return { host, domain: address.host, prefix, plainHttp: address.scheme === 'http' };
}

/**
 * Returns the repository with this path at an upstream, or undefined if the path is invalid. At Docker Hub, `nginx`
 * means `library/nginx`.
 */
export function targetAt(upstream: ProxyUpstream, path: string): ProxyTarget | undefined {
  const name = upstream.host === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const cacheName = `${cachePrefix(upstream)}${name}`;
  const remote = `${upstream.prefix}${name}`;
  if (!isRepositoryName(cacheName) || !isRepositoryName(remote)) return undefined;
  return { upstream, cacheName, reference: { domain: upstream.domain, path: remote } };
}

/**
 * Returns the prefix of the local repositories that cache an upstream, such as `docker.io/`. The `:` before a port is
 * replaced with `_`.
 */
export function cachePrefix({ host }: ProxyUpstream): string {
  return `${host.toLowerCase().replace(':', '_')}/`;
}

function hostOf(name: string): string {
  try {
    const { domain, path } = parseReference(`${name}/x`);
    if (!/[[/]/.test(name) && (path === 'x' || (domain === 'docker.io' && path === 'library/x'))) return domain;
  } catch {
    // The error below is thrown instead, because it quotes the value.
  }
  throw invalid(`${JSON.stringify(name.slice(0, 200))} is not a registry host such as docker.io`);
}

function invalid(reason: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `invalid proxy upstream: ${reason}`, {
    hint: 'Use HOST or HOST=URL, such as docker.io or docker.io=https://mirror.example.com.',
  });
}

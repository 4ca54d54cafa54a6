import { MlistError } from '../../errors/errors.ts';
import { isRepositoryName, parseReference, type Reference } from '../../oci/reference.ts';
import { parseMirrorAddress } from '../../store/registry/mirrors/mirror-endpoint.ts';

/** A registry whose content is cached. */
export interface ProxyUpstream {
  /** The registry, as named in references. */
  readonly host: string;
  /** The host that requests are sent to: the registry itself, or another host with its content. */
  readonly domain: string;
  /** The path that precedes the repository at that host: empty, or with a slash at its end. */
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
 * Parses `HOST` or `HOST=URL`. A path in the URL precedes the repository: `https://harbor.example.com/hub`.
 * @throws MlistError `ERR_MLIST_USAGE`; the URL is not quoted, because it may contain a password
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
    throw invalid(`${host}: the path of the URL is not the name of a repository`);
  const prefix = path === '' ? '' : `${path}/`;
  return { host, domain: address.host, prefix, plainHttp: address.scheme === 'http' };
}

/**
 * The repository with this path at an upstream; undefined if the path is invalid. At Docker Hub, `nginx` means
 * `library/nginx`.
 */
export function targetAt(upstream: ProxyUpstream, path: string): ProxyTarget | undefined {
  const name = upstream.host === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const cacheName = `${cachePrefix(upstream)}${name}`;
  const remote = `${upstream.prefix}${name}`;
  if (!isRepositoryName(cacheName) || !isRepositoryName(remote)) return undefined;
  return { upstream, cacheName, reference: { domain: upstream.domain, path: remote } };
}

/**
 * The first part of the names of local repositories for an upstream: its host, with `_` instead of `:` before the port.
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
  throw invalid(`${JSON.stringify(name.slice(0, 200))} is not the host of a registry, such as docker.io`);
}

function invalid(reason: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `invalid upstream of the proxy: ${reason}`, {
    hint: 'For example: docker.io, or docker.io=https://mirror.example.com',
  });
}

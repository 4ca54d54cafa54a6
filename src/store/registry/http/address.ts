import { MlistError } from '../../../errors/errors.ts';
import { isPrivateAddress } from '../../hosts.ts';

/** This module creates the addresses of registry APIs, and checks the addresses that registries send. */

/**
 * Returns the host that serves the API of a registry. Only for Docker Hub does it differ from the domain in references.
 */
export function apiHost(domain: string): string {
  return domain === 'docker.io' ? 'registry-1.docker.io' : domain;
}

/**
 * Returns the URL of an API path, such as `/v2/NAME/tags/list?n=1000`.
 * @param base - the address of the API, `https://HOST/v2`. A mirror may have another path instead of `/v2`, and a query
 * that is added to all requests
 */
export function apiUrl(path: string, base: URL): URL {
  const url = new URL(path, base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}${url.pathname.slice('/v2'.length)}`;
  for (const [name, value] of base.searchParams) url.searchParams.set(name, value);
  return url;
}

/** Whether the scheme, host and effective port of two URLs are equal. */
export function sameOrigin(left: URL, right: URL): boolean {
  return left.origin === right.origin;
}

/**
 * Checks an address that a registry sends.
 * @param what - describes the address in the error: `a redirect to`, `an upload location at` or `a token realm at`
 * @param registry - the address of the registry, or of the host that sent the redirect
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if the address is neither http nor https, contains a user name or
 * password, is http although the registry uses https, or is in a private network although the registry is not
 */
export function checkAddress(what: string, to: URL, registry: URL): void {
  const refuse = (reason: string) => {
    throw new MlistError(
      'ERR_MLIST_FORBIDDEN_ADDRESS',
      `${registry.host} sent ${what} ${to.protocol}//${to.host}, ${reason}`,
    );
  };
  if (to.protocol !== 'https:' && to.protocol !== 'http:') refuse('which is neither http nor https');
  if (to.username !== '' || to.password !== '') refuse('which contains a user name or password');
  if (sameOrigin(to, registry)) return;
  if (registry.protocol === 'https:' && to.protocol === 'http:') refuse('which is not encrypted');
  if (isPrivateAddress(to.hostname) && !isPrivateAddress(registry.hostname)) refuse('which is in a private network');
}

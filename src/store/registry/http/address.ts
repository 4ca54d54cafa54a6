import { MlistError } from '../../../errors/errors.ts';
import { isPrivateAddress } from '../../hosts.ts';

/** Addresses of a registry's API, and checks of the addresses that a registry sends. */

/** The host that serves the API of a registry, which references name by its domain. */
export function apiHost(domain: string): string {
  return domain === 'docker.io' ? 'registry-1.docker.io' : domain;
}

/**
 * The URL of a path of the API, such as `/v2/NAME/tags/list?n=1000`.
 * @param base - the address of the API, `https://HOST/v2`. A mirror may have another path in place of `/v2`, and a
 * query for all requests
 */
export function apiUrl(path: string, base: URL): URL {
  const url = new URL(path, base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}${url.pathname.slice('/v2'.length)}`;
  for (const [name, value] of base.searchParams) url.searchParams.set(name, value);
  return url;
}

/** Whether scheme, host and effective port are equal. */
export function sameOrigin(left: URL, right: URL): boolean {
  return left.origin === right.origin;
}

/**
 * Checks an address that a registry sends: the target of a redirect, an upload location or a token realm.
 * @param what - describes the address in the error, with an article
 * @param to - the address
 * @param registry - the address that sent it
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS`
 */
export function checkAddress(what: string, to: URL, registry: URL): void {
  const refuse = (reason: string) => {
    throw new MlistError(
      'ERR_MLIST_FORBIDDEN_ADDRESS',
      `${registry.host} sent ${what} to ${to.protocol}//${to.host}, ${reason}`,
    );
  };
  if (to.protocol !== 'https:' && to.protocol !== 'http:') refuse('which is neither http nor https');
  if (to.username !== '' || to.password !== '') refuse('with a user name in it');
  if (sameOrigin(to, registry)) return;
  if (registry.protocol === 'https:' && to.protocol === 'http:') refuse('which is not encrypted');
  if (isPrivateAddress(to.hostname) && !isPrivateAddress(registry.hostname))
    refuse('an address inside a private network');
}

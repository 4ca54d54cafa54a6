import { MlistError } from '../../../errors/errors.ts';
import type { AuthHost } from '../registry-options.ts';
import { apiHost, checkAddress, sameOrigin } from '../http/address.ts';

/**
 * Registries and the token services that may receive their credentials. A registry chooses the address of its token
 * service, so a hostile registry could name any token service and have a password sent to it. Therefore only the pair
 * of a registry and its token service is trusted, not the token service for all registries.
 */
const knownPairs: readonly AuthHost[] = [
  { registry: 'docker.io', host: 'auth.docker.io' },
  { registry: 'index.docker.io', host: 'auth.docker.io' },
  { registry: 'registry-1.docker.io', host: 'auth.docker.io' },
  { registry: 'registry.gitlab.com', host: 'gitlab.com' },
];

/** A token service that a registry names. */
export interface Realm {
  /** The registry, as references name it. */
  readonly registry: string;
  /** The address of the registry's API. */
  readonly base: URL;
  readonly realm: URL;
  readonly authHosts: readonly AuthHost[];
}

/**
 * Checks the address of a token service.
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if no request may be sent there, not even an anonymous one
 */
export function checkRealm({ realm, base }: Realm): void {
  checkAddress('a token realm', realm, base);
  if (realm.hash !== '') {
    throw new MlistError('ERR_MLIST_FORBIDDEN_ADDRESS', `${base.host} sent a token realm with a fragment`);
  }
}

/**
 * Checks that a token service may receive the registry's credentials.
 * @throws MlistError `ERR_MLIST_UNAUTHORIZED` with the remedy that would allow it
 */
export async function checkCredentialTrust(realm: Realm): Promise<void> {
  if (
    sameOrigin(realm.realm, realm.base) ||
    isPair(realm) ||
    (await sameOwner(realm.realm.hostname, realm.base.hostname))
  )
    return;
  const { registry, realm: url } = realm;
  throw new MlistError(
    'ERR_MLIST_UNAUTHORIZED',
    `${registry} names the token service ${url.host}, which is not trusted with its credentials`,
    {
      remedy: { kind: 'trust-token-service', registry, host: url.host },
    },
  );
}

function isPair({ registry, realm, authHosts }: Realm): boolean {
  return [...knownPairs, ...authHosts].some(
    (pair) => (pair.registry === registry || apiHost(pair.registry) === apiHost(registry)) && pair.host === realm.host,
  );
}

/** Whether two host names belong to one owner: the same registrable domain by the Public Suffix List. */
async function sameOwner(left: string, right: string): Promise<boolean> {
  const { getDomain } = await import('tldts');
  const [leftDomain, rightDomain] = [left, right].map((host) => getDomain(host, { allowPrivateDomains: true }));
  return leftDomain != null && leftDomain === rightDomain;
}

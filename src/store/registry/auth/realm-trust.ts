import { MlistError } from '../../../errors/errors.ts';
import type { AuthHost } from '../registry-options.ts';
import { apiHost, checkAddress, sameOrigin } from '../http/address.ts';

/**
 * Token services that may receive the credentials of the registry in the same pair, in addition to services on hosts of
 * the same owner. They are trusted for no other registry, because a hostile registry can name any token service.
 */
const knownPairs: readonly AuthHost[] = [
  { registry: 'docker.io', host: 'auth.docker.io' },
  { registry: 'index.docker.io', host: 'auth.docker.io' },
  { registry: 'registry-1.docker.io', host: 'auth.docker.io' },
  { registry: 'registry.gitlab.com', host: 'gitlab.com' },
];

/** A token service, and the registry whose challenge contains it. */
export interface Realm {
  /** The registry as it appears in references, such as `docker.io`. */
  readonly registry: string;
  /** The address of the registry's API. */
  readonly base: URL;
  readonly realm: URL;
  readonly authHosts: readonly AuthHost[];
}

/**
 * Checks the address of a token service.
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if requests to it are forbidden, even without credentials
 */
export function checkRealm({ realm, base }: Realm): void {
  checkAddress('a token realm at', realm, base);
  if (realm.hash !== '') {
    throw new MlistError('ERR_MLIST_FORBIDDEN_ADDRESS', `${base.host} sent a token realm with a fragment`);
  }
}

/**
 * Checks that a token service may receive the registry's credentials.
 * @throws MlistError `ERR_MLIST_UNAUTHORIZED` if the token service is not trusted
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
    `cannot log in to ${registry}: its token service ${url.host} is not trusted to receive the credentials`,
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

/**
 * Whether two host names have the same registrable domain according to the Public Suffix List, and therefore the same
 * owner.
 */
async function sameOwner(left: string, right: string): Promise<boolean> {
  const { getDomain } = await import('tldts');
  const [leftDomain, rightDomain] = [left, right].map((host) => getDomain(host, { allowPrivateDomains: true }));
  return leftDomain != null && leftDomain === rightDomain;
}

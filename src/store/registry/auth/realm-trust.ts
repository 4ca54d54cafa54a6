import { MlistError } from '../../../errors/errors.ts';
import type { AuthHost } from '../registry-options.ts';
import { apiHost, checkAddress, sameOrigin } from '../http/address.ts';

/**
 * Which token service may see a registry's credentials. The registry chooses the address of its token service, so a
 * hostile one could ask for passwords on behalf of another: trust is a pair of hosts, never a list of token services.
 */
const knownPairs: readonly AuthHost[] = [
  { registry: 'docker.io', host: 'auth.docker.io' },
  { registry: 'index.docker.io', host: 'auth.docker.io' },
  { registry: 'registry-1.docker.io', host: 'auth.docker.io' },
  { registry: 'registry.gitlab.com', host: 'gitlab.com' },
];

export interface Realm {
  readonly registry: string;
  /** Where the registry's API answers. */
  readonly base: URL;
  readonly realm: URL;
  readonly authHosts: readonly AuthHost[];
}

/** @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` where nobody should send anything there, credentials or not */
export function checkRealm({ realm, base }: Realm): void {
  checkAddress('a token realm', realm, base);
  if (realm.hash !== '') {
    throw new MlistError('ERR_MLIST_FORBIDDEN_ADDRESS', `${base.host} sent a token realm with a fragment`);
  }
}

/** @throws MlistError `ERR_MLIST_UNAUTHORIZED` naming the flag that would allow it */
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
    `${registry} asks for its credentials to be sent to ${url.host}, a stranger`,
    {
      hint: `If that is its token service, allow it with --auth-host ${registry}=${url.host}.`,
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
  const [one, other] = [left, right].map((host) => getDomain(host, { allowPrivateDomains: true }));
  return one != null && one === other;
}

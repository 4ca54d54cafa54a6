import { MlistError } from '../../errors/errors.ts';
import {
  eraseLogin,
  locationOfLogin,
  storeLogin,
  type CredentialLocation,
  type Login,
} from '../../store/registry/credentials/credential-store.ts';
import type { StoredCredentialsOptions } from '../../store/registry/credentials/stored-credentials.ts';
import { parseReference, withoutPassword } from '../../oci/reference.ts';
import type { OnEvent } from '../events.ts';
import type { Stores } from '../../store/open.ts';

export interface LoginOptions {
  readonly stores: Stores;
  readonly store: StoredCredentialsOptions;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

export interface LoggedIn {
  /** The registry host as used in references. */
  readonly registry: string;
  readonly username: string;
  readonly location: CredentialLocation;
  /** Whether the registry has accepted the credentials; false if it does not require a login. */
  readonly verified: boolean;
}

export interface LoggedOut {
  readonly registry: string;
  readonly locations: readonly CredentialLocation[];
}

/**
 * Converts the host that the user has typed to the registry as used in references, such as `docker.io` for all names of
 * Docker Hub. A URL scheme is removed.
 * @throws MlistError `ERR_MLIST_USAGE` if the input is not a registry host
 */
export function registryOf(host: string): string {
  const bare = host.replace(/^https?:\/\//i, '').replace(/\/(?:v[12]\/?)?$/, '');
  const hub = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];
  if (hub.includes(bare)) return 'docker.io';
  try {
    const { domain, path } = parseReference(`${bare}/x`);
    if (domain === bare && path === 'x') return domain;
  } catch (thrown) {
    if (!(thrown instanceof MlistError)) throw thrown;
  }
  const [first = ''] = bare.split('/');
  const isHost = bare.includes('/') && /^(?:[\w-]+\.)+[\w-]+(?::\d+)?$|^localhost(?::\d+)?$/.test(first);
  throw new MlistError('ERR_MLIST_USAGE', `${JSON.stringify(withoutPassword(host))} is not a registry host`, {
    hint: isHost
      ? `A login applies to the whole registry: use ${first}.`
      : 'Examples: docker.io, registry.example.com, localhost:5000.',
  });
}

/**
 * Checks credentials with the registry, and stores them if the registry accepts them or does not require a login.
 * @throws MlistError `ERR_MLIST_UNAUTHORIZED` if the registry refuses the credentials; `ERR_MLIST_USAGE` if the user
 * name or the password is empty, or if the user name contains a colon
 */
export async function login(
  { registry, username, password }: Login,
  { stores, store, signal, onEvent }: LoginOptions,
): Promise<LoggedIn> {
  if (username === '' || password === '') {
    throw new MlistError('ERR_MLIST_USAGE', `missing ${username === '' ? 'user name' : 'password'} for ${registry}`);
  }
  if (username.includes(':')) {
    throw new MlistError(
      'ERR_MLIST_USAGE',
      'invalid user name: HTTP Basic authentication does not allow a colon (RFC 7617)',
    );
  }
  const answer = await stores.registries.tryLogin(registry, { type: 'basic', username, password }, signal);
  const verified = answer === 'accepted';
  if (!verified)
    onEvent?.({ type: 'warning', message: `${registry} does not require a login: the credentials were not verified` });
  const location = await storeLogin({ registry, username, password }, store);
  const effective = await locationOfLogin(registry, store);
  const stored = location.kind === 'file' ? location.path : location.program;
  if (effective !== undefined && effective !== stored) {
    onEvent?.({
      type: 'warning',
      message: `the credentials for ${registry} in ${effective} take precedence over the new ones`,
    });
  }
  return { registry, username, location, verified };
}

/**
 * Removes the credentials for a registry from the credential helper and the file in which `login` would store them.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if neither has credentials for the registry
 */
export async function logout(
  registry: string,
  { store, onEvent }: Pick<LoginOptions, 'store' | 'onEvent'>,
): Promise<LoggedOut> {
  const locations = await eraseLogin(registry, store);
  const remaining = await locationOfLogin(registry, store);
  if (locations.length === 0) {
    const message =
      remaining === undefined
        ? `there is no login for ${registry}`
        : `cannot remove the login for ${registry}: it is stored in ${remaining}, which mlist does not change`;
    throw new MlistError('ERR_MLIST_NOT_FOUND', message, {
      hint: remaining === undefined ? undefined : `Remove the login from ${remaining}.`,
    });
  }
  if (remaining !== undefined) {
    onEvent?.({ type: 'warning', message: `${remaining} still has a login for ${registry}` });
  }
  return { registry, locations };
}

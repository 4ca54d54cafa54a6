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
  /** The registry, as references name it. */
  readonly registry: string;
  readonly username: string;
  readonly location: CredentialLocation;
  /** Whether the registry has accepted the login; false if it does not require one. */
  readonly verified: boolean;
}

export interface LoggedOut {
  readonly registry: string;
  readonly locations: readonly CredentialLocation[];
}

/**
 * The registry of a host, as written in references: `docker.io` for all names of Docker Hub.
 * @throws MlistError `ERR_MLIST_USAGE`
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
      ? `A login is for a whole registry: ${first}.`
      : 'Examples: docker.io, registry.example.com, localhost:5000.',
  });
}

/**
 * Tries a login, and stores it if the registry accepts it.
 * @throws MlistError `ERR_MLIST_UNAUTHORIZED` if the registry refuses it
 */
export async function login(
  { registry, username, password }: Login,
  { stores, store, signal, onEvent }: LoginOptions,
): Promise<LoggedIn> {
  if (username === '' || password === '') {
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `no ${username === '' ? 'user name' : 'password'} is given for ${registry}`,
    );
  }
  if (username.includes(':')) {
    throw new MlistError('ERR_MLIST_USAGE', 'a user name with a colon cannot be sent to a registry (RFC 7617)');
  }
  const answer = await stores.registries.tryLogin(registry, { type: 'basic', username, password }, signal);
  const verified = answer === 'accepted';
  if (!verified)
    onEvent?.({ type: 'warning', message: `${registry} does not require a login: the credentials were not verified` });
  const location = await storeLogin({ registry, username, password }, store);
  const effective = await locationOfLogin(registry, store);
  const stored = location.kind === 'file' ? location.path : location.program;
  if (effective !== undefined && effective !== stored) {
    onEvent?.({ type: 'warning', message: `${effective} has another login for ${registry}, which takes precedence` });
  }
  return { registry, username, location, verified };
}

/**
 * Removes a login from where `login` stores it.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if no login is stored there
 */
export async function logout(
  registry: string,
  { store, onEvent }: Pick<LoginOptions, 'store' | 'onEvent'>,
): Promise<LoggedOut> {
  const locations = await eraseLogin(registry, store);
  const remaining = await locationOfLogin(registry, store);
  if (locations.length === 0) {
    throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no login for ${registry}`, {
      hint: remaining === undefined ? undefined : `The login in ${remaining} is not managed by mlist. Remove it there.`,
    });
  }
  if (remaining !== undefined) {
    onEvent?.({ type: 'warning', message: `${remaining} still has a login for ${registry}` });
  }
  return { registry, locations };
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, MlistError } from '../../errors.ts';
import { checkDockerConfig } from '../../schema/docker-config.ts';
import { askHelper, type Kept } from './credential-helper.ts';

/** How to log in to one registry. */
export type Credentials =
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token for the registry's token service. */
  | { readonly type: 'identity'; readonly token: string }
  /** A bearer token that is sent as it is. */
  | { readonly type: 'bearer'; readonly token: string };

/** Finds the credentials of exactly one registry, named as in references; undefined is anonymous. */
export type CredentialsSource = (registry: string) => Promise<Credentials | undefined>;

/** Docker's config.json, as far as credentials go (schemas/docker-config.schema.json). */
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, Auth>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

interface Auth {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

export interface DockerCredentialsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** Docker Hub goes by this key in Docker's files. */
const HUB_KEY = 'https://index.docker.io/v1/';

export function credentialKey(registry: string): string {
  return registry === 'docker.io' || registry === 'index.docker.io' ? HUB_KEY : registry;
}

/** Reads credentials as Docker does: `DOCKER_CONFIG` or `~/.docker`, credential helpers first, then `auths`. */
export function dockerCredentials({ env, home }: DockerCredentialsOptions): CredentialsSource {
  const path = join(set(env['DOCKER_CONFIG']) ?? join(home, '.docker'), 'config.json');
  let reading: Promise<DockerConfig> | undefined;
  return async (registry) => {
    reading ??= readDockerConfig(path);
    return credentialsIn(await reading, registry, path);
  };
}

/** @throws MlistError `ERR_MLIST_CREDENTIALS` naming the file; a file that is not there is empty */
export async function readDockerConfig(path: string): Promise<DockerConfig> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return {};
    throw new MlistError('ERR_MLIST_CREDENTIALS', `cannot read ${path}: ${errorCode(error) ?? ''}`, {
      path,
      cause: error,
    });
  }
  const checked = checkDockerConfig(bytes);
  if ('value' in checked) return checked.value as unknown as DockerConfig;
  const [first] = checked.problems;
  throw new MlistError(
    'ERR_MLIST_CREDENTIALS',
    `${path} cannot be used: ${first?.message ?? ''} at ${set(first?.pointer) ?? 'the top'}`,
    {
      path,
      hint: 'Mend the file, or point DOCKER_CONFIG at another folder.',
    },
  );
}

async function credentialsIn(config: DockerConfig, registry: string, path: string): Promise<Credentials | undefined> {
  const key = credentialKey(registry);
  const helper = own(config.credHelpers, key) ?? config.credsStore;
  const auth = authFor(config.auths ?? {}, key, registry);
  if (helper) return keptOf(await askHelper(helper, key)) ?? (auth === undefined ? undefined : tokenOf(auth));
  return auth === undefined ? undefined : (tokenOf(auth) ?? basicOf(auth, path, key));
}

function keptOf(kept: Kept | undefined): Credentials | undefined {
  if (kept === undefined) return undefined;
  const { username, secret } = kept;
  return username === '<token>' ? { type: 'identity', token: secret } : { type: 'basic', username, password: secret };
}

/** An empty text says nothing. */
function set(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

/** The exact key; else one that names the same host in another spelling: https before http before none. */
function authFor(auths: Readonly<Record<string, Auth>>, key: string, registry: string): Auth | undefined {
  if (Object.hasOwn(auths, key)) return auths[key];
  const rank = (name: string) => (name.startsWith('https://') ? 0 : name.startsWith('http://') ? 1 : 2);
  const [nearest] = Object.keys(auths)
    .filter((name) => hostOf(name) === registry)
    .sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
  return nearest === undefined ? undefined : auths[nearest];
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function tokenOf({ identitytoken, registrytoken }: Auth): Credentials | undefined {
  if (registrytoken) return { type: 'bearer', token: registrytoken };
  return identitytoken ? { type: 'identity', token: identitytoken } : undefined;
}

function basicOf({ auth, username = '', password = '' }: Auth, path: string, key: string): Credentials | undefined {
  if (!auth) return username && password ? { type: 'basic', username, password } : undefined;
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  if (colon <= 0) {
    throw new MlistError(
      'ERR_MLIST_CREDENTIALS',
      `${path} cannot be used: auths[${JSON.stringify(key)}].auth is not the base64 of user:password`,
      {
        path,
        hint: `Log in to ${hostOf(key)} again.`,
      },
    );
  }
  const secret = text.slice(colon + 1);
  return secret === '' ? undefined : { type: 'basic', username: text.slice(0, colon), password: secret };
}

import { MlistError } from '../../../errors/errors.ts';
import { isNotFound, readReason } from '../../../fs/file-errors.ts';
import { readAtMost } from '../../../fs/read-file.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import { checkDockerConfig } from '../../../schema/docker-documents.ts';
import { basicCredentials, type Credentials } from './credentials.ts';

/**
 * A file with credentials: Docker's config.json or the auth.json of podman and skopeo
 * (schemas/docker-config.schema.json).
 */
export interface AuthFile {
  readonly auths?: Readonly<Record<string, Auth>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** An entry of a file. All members are secret. */
export interface Auth {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Docker's files use this key for Docker Hub; references and other files use the names below. */
const HUB_KEY = 'https://index.docker.io/v1/';
const HUB_NAMES = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** The key of a registry in files and for credential helpers. */
export function credentialKey(registry: string): string {
  return isHub(registry) ? HUB_KEY : registry;
}

function isHub(registry: string): boolean {
  return HUB_NAMES.includes(registry);
}

function namesOf(registry: string): readonly string[] {
  return isHub(registry) ? HUB_NAMES : [registry];
}

/**
 * Reads a file with credentials, which may be a pipe.
 * @returns undefined if the file does not exist
 * @throws MlistError `ERR_MLIST_CREDENTIALS` with the path of the file; the reason of the signal if it is aborted
 */
export async function readAuthFile(
  path: string,
  kind: 'config' | 'legacy' = 'config',
  signal?: AbortSignal,
): Promise<AuthFile | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readAtMost(path, { maxBytes: MAX_DOCUMENT_BYTES, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (isNotFound(error)) return undefined;
    throw cannotRead(path, error);
  }
  return parseAuthFile(kind === 'legacy' ? wrapLegacy(bytes) : bytes, path);
}

/** The error for a file with credentials that cannot be read. */
export function cannotRead(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_CREDENTIALS') return thrown;
  const message = thrown instanceof MlistError ? thrown.message : `cannot read ${path}: ${readReason(thrown)}`;
  return new MlistError('ERR_MLIST_CREDENTIALS', message, { path, cause: thrown });
}

/** Converts Docker's legacy file ~/.dockercfg, which contains only the value of the member `auths`. */
function wrapLegacy(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? bytes : Buffer.concat([Buffer.from('{"auths":'), bytes, Buffer.from('}')]);
}

/**
 * Parses a file with credentials.
 * @throws MlistError `ERR_MLIST_CREDENTIALS`, without quoting the content of the file
 */
export function parseAuthFile(bytes: Uint8Array, path: string): AuthFile {
  const checked = checkDockerConfig(bytes);
  if ('value' in checked) return checked.value as unknown as AuthFile;
  const [first] = checked.problems;
  const pointer = first?.pointer === '' ? 'the top' : (first?.pointer ?? '');
  throw new MlistError('ERR_MLIST_CREDENTIALS', `${path} cannot be used: ${first?.message ?? ''} at ${pointer}`, {
    path,
    hint: 'Correct the file. It was not changed.',
  });
}

/** The name of the credential helper that a file configures for a registry. */
export function helperFor({ credHelpers = {}, credsStore }: AuthFile, registry: string): string | undefined {
  const key = [credentialKey(registry), ...namesOf(registry)].find((name) => Object.hasOwn(credHelpers, name));
  const helper = key === undefined ? credsStore : credHelpers[key];
  return helper === '' ? undefined : helper;
}

/** Whether a file configures no logins. If it configures none, Docker uses the credential helper of the system. */
export function hasNoLogins({ auths = {}, credHelpers = {}, credsStore = '' }: AuthFile): boolean {
  return Object.keys(auths).length + Object.keys(credHelpers).length === 0 && credsStore === '';
}

/**
 * The keys of a file that apply to a repository, the most specific first: namespaces from the longest to the shortest
 * (containers-auth.json(5)), then the key of the registry, then other spellings of its host.
 */
export function keysFor({ auths = {} }: AuthFile, registry: string, repository: string): readonly string[] {
  const parts = repository === '' ? [] : repository.split('/');
  const namespaces = parts.map((_, at) => parts.slice(0, parts.length - at).join('/'));
  const names = namesOf(registry);
  const exact = [...namespaces.flatMap((space) => names.map((name) => `${name}/${space}`)), credentialKey(registry)];
  return [...new Set([...exact, ...spellingsOf(auths, registry)])].filter((key) => Object.hasOwn(auths, key));
}

/**
 * The keys of a file that name a whole registry, in any spelling: first those with https, then those with http, then
 * those without a scheme.
 */
export function spellingsOf(auths: Readonly<Record<string, Auth>>, registry: string): readonly string[] {
  const names = namesOf(registry);
  const rank = (key: string) => (key.startsWith('https://') ? 0 : key.startsWith('http://') ? 1 : 2);
  return Object.keys(auths)
    .filter((key) => names.includes(hostOf(key) ?? ''))
    .sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
}

/** The host of a key for a whole registry; undefined if the key is a namespace. */
function hostOf(key: string): string | undefined {
  return /^(?:https?:\/\/([^/]+)(?:\/.*)?|([^/]+)(?:\/(?:v[12]\/?)?)?)$/.exec(key)?.slice(1).find(Boolean);
}

/** The token of an entry, if it has one. */
export function tokenIn({ identitytoken, registrytoken }: Auth): Credentials | undefined {
  if (registrytoken) return { type: 'bearer', token: registrytoken };
  return identitytoken ? { type: 'identity', token: identitytoken } : undefined;
}

/**
 * The credentials of an entry.
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if the member `auth` is invalid; the message does not quote its value
 */
export function credentialsIn(entry: Auth, key: string, path: string): Credentials | undefined {
  const token = tokenIn(entry);
  if (token !== undefined) return token;
  const { auth, username = '', password = '' } = entry;
  if (!auth) return basicCredentials(username, password);
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  if (colon > 0) return basicCredentials(text.slice(0, colon), text.slice(colon + 1));
  const member = `auths[${JSON.stringify(key)}].auth`;
  throw new MlistError(
    'ERR_MLIST_CREDENTIALS',
    `${path} cannot be used: ${member} is not the base64 of user:password`,
    {
      path,
      hint: 'Log in to the registry again.',
    },
  );
}

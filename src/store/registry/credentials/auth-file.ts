import { MlistError } from '../../../errors/errors.ts';
import { isNotFound, readReason } from '../../../fs/file-errors.ts';
import { readAtMost } from '../../../fs/read-file.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import { checkDockerConfig } from '../../../schema/docker-documents.ts';
import { basicCredentials, type Credentials } from './credentials.ts';

/**
 * The content of a credentials file: Docker's config.json, or the auth.json of podman and skopeo
 * (schemas/docker-config.schema.json).
 */
export interface AuthFile {
  readonly auths?: Readonly<Record<string, Auth>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** An entry of `auths`. All members are secret. */
export interface Auth {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** The key for Docker Hub in Docker's files. References and other files use one of `HUB_NAMES`. */
const HUB_KEY = 'https://index.docker.io/v1/';
const HUB_NAMES = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** Returns the key under which credentials files and credential helpers store the credentials for a registry. */
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
 * Reads a credentials file, which may be a pipe. Returns undefined if the file does not exist.
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if the file cannot be read or is invalid; the reason of the signal if it
 * is aborted
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

/** Creates the error for a credentials file that cannot be read. Returns `ERR_MLIST_CREDENTIALS` errors unchanged. */
export function cannotRead(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_CREDENTIALS') return thrown;
  const message = thrown instanceof MlistError ? thrown.message : `cannot read ${path}: ${readReason(thrown)}`;
  return new MlistError('ERR_MLIST_CREDENTIALS', message, { path, cause: thrown });
}

/**
 * Wraps the content of Docker's legacy file ~/.dockercfg in `{"auths": …}`, because it is only the value of `auths`.
 */
function wrapLegacy(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? bytes : Buffer.concat([Buffer.from('{"auths":'), bytes, Buffer.from('}')]);
}

/**
 * Parses a credentials file.
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if it is invalid; the message does not quote its content
 */
export function parseAuthFile(bytes: Uint8Array, path: string): AuthFile {
  const checked = checkDockerConfig(bytes);
  if ('value' in checked) return checked.value as unknown as AuthFile;
  const [first] = checked.problems;
  const where = first === undefined || first.pointer === '' ? '' : ` at ${first.pointer}`;
  throw new MlistError('ERR_MLIST_CREDENTIALS', `${path} cannot be used: ${first?.message ?? ''}${where}`, {
    path,
    hint: 'Correct the file. mlist has not changed it.',
  });
}

/** Returns the name of the credential helper that a file configures for a registry; undefined if it configures none. */
export function helperFor({ credHelpers = {}, credsStore }: AuthFile, registry: string): string | undefined {
  const key = [credentialKey(registry), ...namesOf(registry)].find((name) => Object.hasOwn(credHelpers, name));
  const helper = key === undefined ? credsStore : credHelpers[key];
  return helper === '' ? undefined : helper;
}

/**
 * Whether a file has neither credentials nor credential helpers. If so, Docker uses the default credential helper of
 * the system.
 */
export function hasNoLogins({ auths = {}, credHelpers = {}, credsStore = '' }: AuthFile): boolean {
  return Object.keys(auths).length + Object.keys(credHelpers).length === 0 && credsStore === '';
}

/**
 * Returns the keys of `auths` that apply to a repository, the most specific first: namespaces from the longest to the
 * shortest (containers-auth.json(5)), then the key of the registry, then other spellings of its host.
 */
export function keysFor({ auths = {} }: AuthFile, registry: string, repository: string): readonly string[] {
  const parts = repository === '' ? [] : repository.split('/');
  const namespaces = parts.map((_, at) => parts.slice(0, parts.length - at).join('/'));
  const names = namesOf(registry);
  const exact = [...namespaces.flatMap((space) => names.map((name) => `${name}/${space}`)), credentialKey(registry)];
  return [...new Set([...exact, ...spellingsOf(auths, registry)])].filter((key) => Object.hasOwn(auths, key));
}

/**
 * Returns the keys of `auths` for a whole registry, in any spelling: first keys with https, then keys with http, then
 * keys without a scheme.
 */
export function spellingsOf(auths: Readonly<Record<string, Auth>>, registry: string): readonly string[] {
  const names = namesOf(registry);
  const rank = (key: string) => (key.startsWith('https://') ? 0 : key.startsWith('http://') ? 1 : 2);
  return Object.keys(auths)
    .filter((key) => names.includes(hostOf(key) ?? ''))
    .sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
}

/** Returns the host in a key for a whole registry; undefined if the key is for a namespace. */
function hostOf(key: string): string | undefined {
  return /^(?:https?:\/\/([^/]+)(?:\/.*)?|([^/]+)(?:\/(?:v[12]\/?)?)?)$/.exec(key)?.slice(1).find(Boolean);
}

/** Returns the token of an entry; undefined if it has none. */
export function tokenIn({ identitytoken, registrytoken }: Auth): Credentials | undefined {
  if (registrytoken) return { type: 'bearer', token: registrytoken };
  return identitytoken ? { type: 'identity', token: identitytoken } : undefined;
}

/**
 * Returns the credentials of an entry; undefined if it has none.
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
    `${path} cannot be used: ${member} is not base64-encoded USER:PASSWORD`,
    {
      path,
      hint: 'Correct the entry, or remove it and log in again.',
    },
  );
}

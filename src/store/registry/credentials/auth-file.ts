import { errorCode, MlistError } from '../../../errors/errors.ts';
import { readReason } from '../../../fs/file-errors.ts';
import { readAtMost } from '../../../fs/read-file.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import { checkDockerConfig } from '../../../schema/docker-documents.ts';
import { basicCredentials, type Credentials } from './credentials.ts';

/** Files that hold credentials: Docker's config.json, auth.json of the containers tools (schemas/docker-config.schema.json). */
export interface AuthFile {
  readonly auths?: Readonly<Record<string, Auth>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

export interface Auth {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Docker Hub goes by this key in Docker's files, and by these names elsewhere. */
const HUB_KEY = 'https://index.docker.io/v1/';
const HUB_NAMES = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** What a registry is called as a key in files and to helpers. */
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
 * @param signal - ends the wait for what a pipe brings
 * @throws MlistError `ERR_MLIST_CREDENTIALS` naming the file, or the abort's reason; undefined where there is no such file
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
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw cannotRead(path, error);
  }
  return parseAuthFile(kind === 'legacy' ? wrapped(bytes) : bytes, path);
}

/** Says of a file with credentials why it cannot be read. */
export function cannotRead(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_CREDENTIALS') return thrown;
  const message = thrown instanceof MlistError ? thrown.message : `cannot read ${path}: ${readReason(thrown)}`;
  return new MlistError('ERR_MLIST_CREDENTIALS', message, { path, cause: thrown });
}

/** The first of Docker's files, ~/.dockercfg, was what is now the member `auths`. */
function wrapped(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? bytes : Buffer.concat([Buffer.from('{"auths":'), bytes, Buffer.from('}')]);
}

/** @throws MlistError `ERR_MLIST_CREDENTIALS`; nothing of what the text holds is in it */
export function parseAuthFile(bytes: Uint8Array, path: string): AuthFile {
  const checked = checkDockerConfig(bytes);
  if ('value' in checked) return checked.value as unknown as AuthFile;
  const [first] = checked.problems;
  const place = first?.pointer === '' ? 'the top' : (first?.pointer ?? '');
  throw new MlistError('ERR_MLIST_CREDENTIALS', `${path} cannot be used: ${first?.message ?? ''} at ${place}`, {
    path,
    hint: 'Mend the file: nothing was changed in it.',
  });
}

/** The helper that a file names for a registry. */
export function helperFor({ credHelpers = {}, credsStore }: AuthFile, registry: string): string | undefined {
  const key = [credentialKey(registry), ...namesOf(registry)].find((name) => Object.hasOwn(credHelpers, name));
  const helper = key === undefined ? credsStore : credHelpers[key];
  return helper === '' ? undefined : helper;
}

/** Whether a file says anything about logins; Docker looks for a helper of the system's where it does not. */
export function isSilent({ auths = {}, credHelpers = {}, credsStore = '' }: AuthFile): boolean {
  return Object.keys(auths).length + Object.keys(credHelpers).length === 0 && credsStore === '';
}

/**
 * The keys of a file under which the credentials of a repository may stand, the best first: namespaces from the longest
 * to the shortest (containers-auth.json(5)), the registry's own key, other spellings of the same host.
 */
export function keysFor({ auths = {} }: AuthFile, registry: string, repository: string): readonly string[] {
  const parts = repository === '' ? [] : repository.split('/');
  const namespaces = parts.map((_, at) => parts.slice(0, parts.length - at).join('/'));
  const names = namesOf(registry);
  const exact = [...namespaces.flatMap((space) => names.map((name) => `${name}/${space}`)), credentialKey(registry)];
  return [...new Set([...exact, ...spellingsOf(auths, registry)])].filter((key) => Object.hasOwn(auths, key));
}

/** The keys that stand for the whole registry, in whichever spelling: https before http before none. */
export function spellingsOf(auths: Readonly<Record<string, Auth>>, registry: string): readonly string[] {
  const names = namesOf(registry);
  const rank = (key: string) => (key.startsWith('https://') ? 0 : key.startsWith('http://') ? 1 : 2);
  return Object.keys(auths)
    .filter((key) => names.includes(hostOf(key) ?? ''))
    .sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
}

/** The host that a key stands for as a whole; undefined where it is a namespace in it. */
function hostOf(key: string): string | undefined {
  return /^(?:https?:\/\/([^/]+)(?:\/.*)?|([^/]+)(?:\/(?:v[12]\/?)?)?)$/.exec(key)?.slice(1).find(Boolean);
}

/** A token that a file holds for a key. */
export function tokenIn({ identitytoken, registrytoken }: Auth): Credentials | undefined {
  if (registrytoken) return { type: 'bearer', token: registrytoken };
  return identitytoken ? { type: 'identity', token: identitytoken } : undefined;
}

/** @throws MlistError `ERR_MLIST_CREDENTIALS` where `auth` is not what it should be; it does not say what it is */
export function credentialsIn(entry: Auth, key: string, path: string): Credentials | undefined {
  const token = tokenIn(entry);
  if (token !== undefined) return token;
  const { auth, username = '', password = '' } = entry;
  if (!auth) return basicCredentials(username, password);
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  if (colon > 0) return basicCredentials(text.slice(0, colon), text.slice(colon + 1));
  const place = `auths[${JSON.stringify(key)}].auth`;
  throw new MlistError('ERR_MLIST_CREDENTIALS', `${path} cannot be used: ${place} is not the base64 of user:password`, {
    path,
    hint: 'Log in to the registry again.',
  });
}

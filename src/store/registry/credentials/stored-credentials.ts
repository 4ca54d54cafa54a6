import { join } from 'node:path';
import { getOrCreate } from '../../../async/single-flight.ts';
import { asMlistError, MlistError } from '../../../errors/errors.ts';
import {
  credentialKey,
  credentialsIn,
  helperFor,
  hasNoLogins,
  keysFor,
  parseAuthFile,
  readAuthFile,
  tokenIn,
  type AuthFile,
} from './auth-file.ts';
import { readFromHelper, defaultHelper, helperOf, programOf, type CredentialHelper } from './credential-helper.ts';
import type { Credentials, CredentialsSource } from './credentials.ts';
import { dockerFolder, variable, type Environment } from '../../environment.ts';
import { waitFor, type ReportPending } from '../../../async/pending.ts';

export interface StoredCredentialsOptions {
  readonly env: Environment;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
  /** If set, this is the only file that is read (`--authfile`). */
  readonly authFile?: string | undefined;
  /** Aborting it kills running helpers, and stops reads from pipes. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Reports running helpers and reads of files, which may be pipes, as pending work. Default: they are not reported.
   */
  readonly waiting?: ReportPending | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface FoundCredentials {
  readonly credentials: Credentials;
  /** Where the credentials were found: a path, an environment variable or the name of a helper. */
  readonly place: string;
}

/**
 * Returns a function that finds the credentials of the user. If `authFile` is set, it reads only this file. Otherwise,
 * it uses the first of these that has credentials for the repository: `DOCKER_AUTH_CONFIG`, `REGISTRY_AUTH_FILE`,
 * Docker's config.json, the auth.json of podman and skopeo, ~/.dockercfg, and the system keychain if Docker's
 * config.json has neither credentials nor helpers (docs/registries.md).
 */
export function storedCredentials(options: StoredCredentialsOptions): CredentialsSource {
  const stored = new StoredCredentials(options);
  return async (registry, repository = '') => {
    const found = await stored.find(registry, repository);
    return found && { ...found.credentials, place: found.place };
  };
}

export function dockerConfigPath({ env, home }: Pick<StoredCredentialsOptions, 'env' | 'home'>): string {
  return join(dockerFolder(env, home), 'config.json');
}

/** A file that may have credentials: ~/.dockercfg (`legacy`), or a file in the format of Docker's config.json. */
export interface AuthFileLocation {
  readonly path: string;
  readonly kind: 'config' | 'legacy';
}

type AuthFileOptions = Pick<StoredCredentialsOptions, 'env' | 'home' | 'platform' | 'uid'>;

/** Returns the files that may have credentials, in the order in which they are searched. */
export function authFileLocations(options: AuthFileOptions): readonly AuthFileLocation[] {
  const { env, home, platform, uid } = options;
  const runtime = variable(env, 'XDG_RUNTIME_DIR');
  const userFolder = uid === undefined ? undefined : `/run/containers/${uid}`;
  const runtimeFolder = runtime === undefined ? userFolder : join(runtime, 'containers');
  const paths = [
    variable(env, 'REGISTRY_AUTH_FILE'),
    dockerConfigPath(options),
    platform === 'linux' && runtimeFolder !== undefined ? join(runtimeFolder, 'auth.json') : undefined,
    join(variable(env, 'XDG_CONFIG_HOME') ?? join(home, '.config'), 'containers', 'auth.json'),
  ].filter((path) => path !== undefined);
  return [
    ...paths.map((path): AuthFileLocation => ({ path, kind: 'config' })),
    { path: join(home, '.dockercfg'), kind: 'legacy' },
  ];
}

/** Finds the credentials of the user. Reads each file once, and asks each helper once for each registry. */
export class StoredCredentials {
  readonly #options: StoredCredentialsOptions;
  readonly #files = new Map<string, Promise<AuthFile | undefined>>();
  readonly #helperResults = new Map<string, Promise<Credentials | undefined>>();
  #variable: AuthFile | undefined;

  constructor(options: StoredCredentialsOptions) {
    this.#options = options;
  }

  async find(registry: string, repository: string): Promise<FoundCredentials | undefined> {
    const { authFile } = this.#options;
    if (authFile !== undefined) return this.#inFile({ path: authFile, kind: 'config' }, registry, repository, true);
    const found = await this.#inVariable(registry, repository);
    if (found !== undefined) return found;
    for (const location of authFileLocations(this.#options)) {
      const inFile = await this.#inFile(location, registry, repository, false);
      if (inFile !== undefined) return inFile;
    }
    return this.#inKeychain(registry);
  }

  async #inFile(
    location: AuthFileLocation,
    registry: string,
    repository: string,
    isRequired: boolean,
  ): Promise<FoundCredentials | undefined> {
    const { path } = location;
    const file = await this.#read(location);
    if (file === undefined && isRequired) {
      throw new MlistError('ERR_MLIST_NOT_FOUND', `the credentials file ${path} does not exist`, { path });
    }
    return file && this.#inAuthFile(file, path, registry, repository);
  }

  /**
   * Finds credentials in a file. If the file configures a helper for the registry, the helper is asked first. If the
   * helper has no credentials, the tokens in the file are used, but the passwords are not.
   */
  async #inAuthFile(
    file: AuthFile,
    path: string,
    registry: string,
    repository: string,
  ): Promise<FoundCredentials | undefined> {
    const name = helperFor(file, registry);
    const entries = keysFor(file, registry, repository).map((key) => ({ key, entry: file.auths?.[key] ?? {} }));
    if (name === undefined) {
      const found = firstOf(entries, ({ key, entry }) => credentialsIn(entry, key, path));
      return found && { credentials: found, place: path };
    }
    const helper = helperOf(name, this.#options);
    const credentials = await this.#ask(helper, registry);
    if (credentials !== undefined) return { credentials, place: programOf(helper) };
    const token = firstOf(entries, ({ entry }) => tokenIn(entry));
    return token && { credentials: token, place: path };
  }

  #read({ path, kind }: AuthFileLocation): Promise<AuthFile | undefined> {
    const { signal, waiting } = this.#options;
    return getOrCreate(this.#files, path, () => waitFor(waiting, `read ${path}`, readAuthFile(path, kind, signal)));
  }

  /** Asks a helper once for each registry, since a call may take a second. */
  #ask(helper: CredentialHelper, registry: string): Promise<Credentials | undefined> {
    const key = `${helper.name} ${registry}`;
    return getOrCreate(this.#helperResults, key, () => {
      const what = `get the credentials for ${registry} from ${programOf(helper)}`;
      return waitFor(this.#options.waiting, what, readFromHelper(helper, credentialKey(registry)));
    });
  }

  /**
   * Finds credentials in `DOCKER_AUTH_CONFIG`. Its value must be `{"auths": {KEY: {"auth": ...}}}`; any other value is
   * ignored with a warning.
   */
  async #inVariable(registry: string, repository: string): Promise<FoundCredentials | undefined> {
    const text = variable(this.#options.env, 'DOCKER_AUTH_CONFIG');
    if (text === undefined) return undefined;
    const place = 'DOCKER_AUTH_CONFIG';
    try {
      this.#variable ??= parseAuthFile(Buffer.from(text), place);
      checkVariable(this.#variable);
    } catch (thrown) {
      this.#options.onWarning?.(`${asMlistError(thrown).message}; the variable is ignored`);
      return undefined;
    }
    return this.#inAuthFile(this.#variable, place, registry, repository);
  }

  /**
   * Finds credentials in the system keychain. A failure is a warning, not an error, because the user has not configured
   * the keychain explicitly.
   */
  async #inKeychain(registry: string): Promise<FoundCredentials | undefined> {
    const { signal, onWarning } = this.#options;
    const config = await this.#read({ path: dockerConfigPath(this.#options), kind: 'config' });
    const helper = config === undefined || hasNoLogins(config) ? defaultHelper(this.#options) : undefined;
    if (helper === undefined) return undefined;
    try {
      const credentials = await this.#ask(helper, registry);
      return credentials && { credentials, place: programOf(helper) };
    } catch (thrown) {
      signal?.throwIfAborted();
      onWarning?.(asMlistError(thrown).message);
      return undefined;
    }
  }
}

function checkVariable(file: AuthFile): void {
  const hasOnlyAuths = Object.keys(file).every((name) => name === 'auths');
  const entries = Object.values(file.auths ?? {});
  if (hasOnlyAuths && entries.every((entry) => Object.keys(entry).join() === 'auth')) return;
  throw new MlistError(
    'ERR_MLIST_CREDENTIALS',
    'DOCKER_AUTH_CONFIG must contain only "auths", and only "auth" in each entry of "auths"',
  );
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

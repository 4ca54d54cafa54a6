import { join } from 'node:path';
import { getOrCreate } from '../../../async/single-flight.ts';
import { asMlistError, MlistError } from '../../../errors/errors.ts';
import {
  credentialKey,
  credentialsIn,
  helperFor,
  isSilent,
  keysFor,
  parseAuthFile,
  readAuthFile,
  tokenIn,
  type AuthFile,
} from './auth-file.ts';
import { readFromHelper, defaultHelper, helperOf, type CredentialHelper } from './credential-helper.ts';
import type { Credentials, CredentialsSource } from './credentials.ts';
import { variable, type Environment } from './environment.ts';
import { waitFor, type ReportPending } from '../../../async/pending.ts';

/** Where people keep the credentials of registries. */
export interface StoredCredentialsOptions {
  readonly env: Environment;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
  /** The only file that is looked at (`--authfile`). */
  readonly authFile?: string | undefined;
  /** Ends the wait for a helper, and for what a pipe brings. */
  readonly signal?: AbortSignal | undefined;
  /** Reports that a helper is being asked, or that a file, which may be a pipe, is being read. Default: not reported. */
  readonly waiting?: ReportPending | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Credentials, and where they were found: a path, a variable, a helper's name. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  readonly place: string;
}

/**
 * The credentials of a user, from the first of these that has any: `--authfile` alone, where it is given; else
 * `DOCKER_AUTH_CONFIG`, `REGISTRY_AUTH_FILE`, Docker's config.json, the auth.json of the containers tools, ~/.dockercfg,
 * and the keychain of the system where Docker's configuration is silent (docs/registries.md).
 */
export function storedCredentials(options: StoredCredentialsOptions): CredentialsSource {
  const stored = new StoredCredentials(options);
  return async (registry, repository = '') => {
    const found = await stored.find(registry, repository);
    return found && { ...found.credentials, place: found.place };
  };
}

/** Docker's own file. */
export function dockerConfigPath({ env, home }: Pick<StoredCredentialsOptions, 'env' | 'home'>): string {
  return join(variable(env, 'DOCKER_CONFIG') ?? join(home, '.docker'), 'config.json');
}

interface Place {
  readonly path: string;
  readonly kind: 'config' | 'legacy';
}

export class StoredCredentials {
  readonly #options: StoredCredentialsOptions;
  readonly #files = new Map<string, Promise<AuthFile | undefined>>();
  readonly #answers = new Map<string, Promise<Credentials | undefined>>();
  #variable: AuthFile | undefined;

  constructor(options: StoredCredentialsOptions) {
    this.#options = options;
  }

  async find(registry: string, repository: string): Promise<FoundCredentials | undefined> {
    const { authFile } = this.#options;
    if (authFile !== undefined) return this.#inFile({ path: authFile, kind: 'config' }, registry, repository, true);
    const found = await this.#inVariable(registry, repository);
    if (found !== undefined) return found;
    for (const place of this.#places()) {
      const here = await this.#inFile(place, registry, repository, false);
      if (here !== undefined) return here;
    }
    return this.#inKeychain(registry);
  }

  #places(): readonly Place[] {
    const { env, home, platform, uid } = this.#options;
    const runtime = variable(env, 'XDG_RUNTIME_DIR');
    const own = uid === undefined ? undefined : `/run/containers/${uid}`;
    const running = runtime === undefined ? own : join(runtime, 'containers');
    const paths = [
      variable(env, 'REGISTRY_AUTH_FILE'),
      dockerConfigPath(this.#options),
      platform === 'linux' && running !== undefined ? join(running, 'auth.json') : undefined,
      join(variable(env, 'XDG_CONFIG_HOME') ?? join(home, '.config'), 'containers', 'auth.json'),
    ].filter((path) => path !== undefined);
    return [
      ...paths.map((path): Place => ({ path, kind: 'config' })),
      { path: join(home, '.dockercfg'), kind: 'legacy' },
    ];
  }

  async #inFile(
    place: Place,
    registry: string,
    repository: string,
    mustBe: boolean,
  ): Promise<FoundCredentials | undefined> {
    const { path } = place;
    const file = await this.#read(place);
    if (file === undefined && mustBe) {
      throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no file ${path}, which --authfile names`, { path });
    }
    return file && this.#inAuthFile(file, path, registry, repository);
  }

  /** A helper that a file names takes the place of the passwords in the file, also where it has none. */
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
    const credentials = await this.#ask(helperOf(name, this.#options), registry);
    if (credentials !== undefined) return { credentials, place: `docker-credential-${name}` };
    const token = firstOf(entries, ({ entry }) => tokenIn(entry));
    return token && { credentials: token, place: path };
  }

  #read({ path, kind }: Place): Promise<AuthFile | undefined> {
    const { signal, waiting } = this.#options;
    return getOrCreate(this.#files, path, () => waitFor(waiting, `read ${path}`, readAuthFile(path, kind, signal)));
  }

  /** Each helper is asked once for a registry: some of them take a second to answer. */
  #ask(helper: CredentialHelper, registry: string): Promise<Credentials | undefined> {
    const key = `${helper.name} ${registry}`;
    return getOrCreate(this.#answers, key, () => {
      const what = `get the login for ${registry} from docker-credential-${helper.name}`;
      return waitFor(this.#options.waiting, what, readFromHelper(helper, credentialKey(registry)));
    });
  }

  /** `DOCKER_AUTH_CONFIG` holds `{"auths": {KEY: {"auth": ...}}}` and nothing else; otherwise all of it is passed over. */
  async #inVariable(registry: string, repository: string): Promise<FoundCredentials | undefined> {
    const text = variable(this.#options.env, 'DOCKER_AUTH_CONFIG');
    if (text === undefined) return undefined;
    const place = 'DOCKER_AUTH_CONFIG';
    try {
      this.#variable ??= parseAuthFile(Buffer.from(text), place);
      checkVariable(this.#variable);
    } catch (thrown) {
      this.#options.onWarning?.(`${asMlistError(thrown).message}: it is not used`);
      return undefined;
    }
    return this.#inAuthFile(this.#variable, place, registry, repository);
  }

  /** Nobody asked for the keychain by name: where it does not work, there is no login in it. */
  async #inKeychain(registry: string): Promise<FoundCredentials | undefined> {
    const { signal, onWarning } = this.#options;
    const config = await this.#read({ path: dockerConfigPath(this.#options), kind: 'config' });
    const helper = config === undefined || isSilent(config) ? defaultHelper(this.#options) : undefined;
    if (helper === undefined) return undefined;
    try {
      const credentials = await this.#ask(helper, registry);
      return credentials && { credentials, place: `docker-credential-${helper.name}` };
    } catch (thrown) {
      signal?.throwIfAborted();
      onWarning?.(asMlistError(thrown).message);
      return undefined;
    }
  }
}

function checkVariable(file: AuthFile): void {
  const isPlain = Object.keys(file).every((name) => name === 'auths');
  const entries = Object.values(file.auths ?? {});
  if (isPlain && entries.every((entry) => Object.keys(entry).join() === 'auth')) return;
  throw new MlistError(
    'ERR_MLIST_CREDENTIALS',
    'DOCKER_AUTH_CONFIG holds more or less than "auths" with an "auth" each',
  );
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

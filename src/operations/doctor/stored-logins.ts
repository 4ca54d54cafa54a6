import { asMlistError } from '../../errors/errors.ts';
import { variable } from '../../store/environment.ts';
import { parseAuthFile, readAuthFile, type AuthFile } from '../../store/registry/credentials/auth-file.ts';
import { defaultHelper, programOf } from '../../store/registry/credentials/credential-helper.ts';
import {
  authFileLocations,
  type AuthFileLocation,
  type StoredCredentialsOptions,
} from '../../store/registry/credentials/stored-credentials.ts';
import type { FoundFile } from './diagnosis-options.ts';

/** A login that commands may use, without the user name and the secret. */
export interface StoredLogin {
  /** A host, or a namespace such as `quay.io/team`. `*` stands for every registry. */
  readonly registry: string;
  /**
   * The path of the file, or the name of the variable, that contains the login or names its helper; `the default` for
   * the credential helper that is used if no login is configured.
   */
  readonly from: string;
  /** The credential helper that stores the login; undefined if the file or variable contains it. */
  readonly helper?: string | undefined;
}

export interface StoredLogins {
  /** The files that exist, and `DOCKER_AUTH_CONFIG` if it is set, in the order in which they are searched. */
  readonly files: readonly FoundFile[];
  readonly logins: readonly StoredLogin[];
}

/** Lists the stored logins in the order in which the files are searched. Does not run credential helpers. */
export async function storedLogins(options: StoredCredentialsOptions): Promise<StoredLogins> {
  const files: FoundFile[] = [];
  const logins: StoredLogin[] = [...inVariable(options, files)];
  for (const { path, kind } of locationsOf(options)) {
    try {
      const file = await readAuthFile(path, kind, options.signal);
      if (file === undefined) continue;
      files.push({ path });
      logins.push(...loginsIn(file, path));
    } catch (thrown) {
      options.signal?.throwIfAborted();
      files.push({ path, problem: asMlistError(thrown).message });
    }
  }
  const keychain = logins.length === 0 && options.authFile === undefined ? defaultHelper(options) : undefined;
  if (keychain !== undefined) logins.push({ registry: '*', from: 'the default', helper: programOf(keychain) });
  return { files, logins };
}

function locationsOf(options: StoredCredentialsOptions): readonly AuthFileLocation[] {
  const { authFile } = options;
  return authFile === undefined ? authFileLocations(options) : [{ path: authFile, kind: 'config' }];
}

function inVariable({ env, authFile }: StoredCredentialsOptions, files: FoundFile[]): readonly StoredLogin[] {
  const name = 'DOCKER_AUTH_CONFIG';
  const text = authFile === undefined ? variable(env, name) : undefined;
  if (text === undefined) return [];
  try {
    const logins = loginsIn(parseAuthFile(Buffer.from(text), name), name);
    files.push({ path: name });
    return logins;
  } catch (thrown) {
    files.push({ path: name, problem: asMlistError(thrown).message });
    return [];
  }
}

/**
 * Lists the logins in a file. If the file has a `credsStore`, docker writes empty entries to `auths`, because the
 * helper stores their credentials.
 */
function loginsIn({ auths = {}, credHelpers = {}, credsStore = '' }: AuthFile, from: string): readonly StoredLogin[] {
  const store = credsStore === '' ? undefined : programOf({ name: credsStore });
  const own = Object.keys(auths).filter((registry) => !Object.hasOwn(credHelpers, registry));
  const all = [
    ...Object.entries(credHelpers).map(([registry, name]) => ({ registry, from, helper: programOf({ name }) })),
    ...own.map((registry) => ({ registry, from, helper: store })),
    ...(store === undefined ? [] : [{ registry: '*', from, helper: store }]),
  ];
  return all.map((login) => ({ ...login, registry: login.registry.replace(/^(https?:\/\/)?.*@/s, '$1') }));
}

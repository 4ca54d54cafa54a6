import { homedir } from 'node:os';
import { env, getuid, platform } from 'node:process';
import type { CredentialsSource } from '../store/registry/credentials/credentials.ts';
import { storedCredentials, type StoredCredentialsOptions } from '../store/registry/credentials/stored-credentials.ts';
import { checkOptions, isAtLeast, isFunction, isObject, isSignal, isText, type Checks } from './option-checks.ts';

const checks: Checks<StoredCredentialsOptions> = {
  env: isObject,
  home: isText,
  platform: isText,
  uid: isAtLeast(0),
  authFile: isText,
  signal: isSignal,
  waiting: isFunction,
  onWarning: isFunction,
};

/**
 * Returns a source of the credentials that the user's container tools have stored. It reads Docker's `config.json` with
 * its credential helpers, `auth.json` of Podman, Buildah and Skopeo, `DOCKER_AUTH_CONFIG` and `REGISTRY_AUTH_FILE`, in
 * the order of docs/registries.md.
 * @param options - override the environment, home folder and platform of the process
 * @throws MlistError `ERR_MLIST_USAGE` if an option is invalid
 */
export function dockerCredentials(options: Partial<StoredCredentialsOptions> = {}): CredentialsSource {
  checkOptions(options, checks);
  return storedCredentials({ env, home: homedir(), platform, uid: getuid?.(), ...options });
}

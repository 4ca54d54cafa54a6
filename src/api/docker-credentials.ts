import { homedir } from 'node:os';
import { env, getuid, platform } from 'node:process';
import type { CredentialsSource } from '../store/registry/credentials/credentials.ts';
import { storedCredentials, type StoredCredentialsOptions } from '../store/registry/credentials/stored-credentials.ts';

/**
 * The credentials that the user's container tools have stored: Docker's `config.json` with its credential helpers,
 * `auth.json` of Podman, Buildah and Skopeo, `DOCKER_AUTH_CONFIG` and `REGISTRY_AUTH_FILE`, in the order of
 * docs/registries.md.
 * @param options - overrides; by default the environment, home folder and platform of the process
 */
export function dockerCredentials(options: Partial<StoredCredentialsOptions> = {}): CredentialsSource {
  return storedCredentials({ env, home: homedir(), platform, uid: getuid?.(), ...options });
}
